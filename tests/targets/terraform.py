"""Terraform in a copy of deploy/terraform/aws: without an account, and against moto's server."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.targets.manifests import ROOT

SOURCE = ROOT / "deploy" / "terraform" / "aws"
OVERRIDE = """\
terraform {
  backend "local" {}
}
provider "aws" {
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
}
"""
DIGESTS = {name: f"r.example/perennial/{name}@sha256:{digit * 64}"
           for name, digit in (("service", "1"), ("monitoring", "2"))}  # fmt: skip
VARIABLES = {
    "region": "us-east-1",
    "zones": '["us-east-1a", "us-east-1b"]',
    "database_password": "0123456789" * 4,
    "service_image": DIGESTS["service"],
    "monitoring_image": DIGESTS["monitoring"],
    "github_repository": "example/perennial",
    "autoscaling": "false",  # moto's server never finishes it
    "protected": "false",  # nor backups of files; and it shall all go again
}


class Terraform:
    """A copy of the configuration, initialised."""

    def __init__(self, directory: Path, *, override: bool) -> None:
        if shutil.which("terraform") is None:
            pytest.skip("SKIPPED, NOT CHECKED: no terraform on this machine")
        self.directory = directory
        shutil.copytree(SOURCE, directory, ignore=shutil.ignore_patterns(".terraform*"))
        if override:
            (directory / "moto_override.tf").write_text(OVERRIDE)
        mirror = os.environ.get("TF_PLUGIN_DIR")  # where providers cannot be downloaded
        given = [f"-plugin-dir={mirror}"] if mirror else []
        found = self._run("init", "-backend=false", *given, {}, seconds=300)
        if found.returncode:
            pytest.skip(
                f"SKIPPED, NOT CHECKED: no AWS provider; TF_PLUGIN_DIR? {found.stderr[-300:]}"
            )
        if override:
            self.run("init", "-reconfigure", *given, {}, seconds=300)

    def run(self, *arguments: "str | dict[str, str]", seconds: float) -> str:
        """Arguments, and last what is added to the environment."""
        found = self._run(*arguments, seconds=seconds)
        assert found.returncode == 0, (found.stdout + found.stderr)[-4000:]
        return found.stdout

    def _run(
        self, *arguments: "str | dict[str, str]", seconds: float
    ) -> "subprocess.CompletedProcess[str]":
        *words, extra = arguments
        assert isinstance(extra, dict)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "TF_"))}
        command = ["terraform", words[0], *words[1:], "-no-color"]
        return subprocess.run(
            [str(word) for word in command], cwd=self.directory, env=kept | extra,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip
