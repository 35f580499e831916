"""Everything about the targets that can be said without an account: `make targets-check`.

A check whose tool is missing is named at the end and fails the run, unless `--allow-missing`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import jsonschema
import yaml

OVERLAYS = Path("deploy/kubernetes/overlays")
TERRAFORM = Path("deploy/terraform/aws")
FOLDERS = ("deploy/kubernetes", "deploy/cloudrun", "deploy/azure")
TOOLS = Path(".venv-delivery/bin")
SCHEMAS = {
    "deploy/cloudrun": Path("deploy/cloudrun/schema.json"),
    "deploy/azure": Path("deploy/azure/schema.json"),
}
MONITOR = Path("deploy/kubernetes/schemas/servicemonitor.json")
SECONDS = 600


class MissingError(RuntimeError):
    """A tool that a check needs is not here."""


class FoundError(RuntimeError):
    """A check found something; what it says is the finding."""


def check_style() -> None:
    """yamllint."""
    _run([_tool("yamllint"), "--strict", "-c", ".yamllint.yml", *FOLDERS])


def check_overlays() -> None:
    """Each overlay renders, and a strict cluster would take it."""
    validate = _tool("kubernetes-validate")
    for overlay in sorted(OVERLAYS.iterdir()):
        documents = list(yaml.safe_load_all(_run([_tool("kubectl"), "kustomize", str(overlay)])))
        monitors = [each for each in documents if each["kind"] == "ServiceMonitor"]
        core = [each for each in documents if each not in monitors]
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(yaml.safe_dump_all(core))
            file.flush()
            said = _run([validate, "--strict", file.name])
        if said.count("passed for resource") != len(core):
            raise FoundError(f"{overlay}: not every resource was validated\n{said}")
        for monitor in monitors:
            _fit(monitor, MONITOR, str(overlay))


def check_manifests() -> None:
    """Cloud Run's and Azure's manifests have no field that their schema does not know."""
    for folder, schema in SCHEMAS.items():
        for path in sorted(Path(folder).glob("*.yaml")):
            _fit(yaml.safe_load(path.read_text()), schema, str(path))


def check_terraform() -> None:
    """terraform fmt, validate and test, in a copy and without an account."""
    terraform = _tool("terraform")
    _run([terraform, "fmt", "-check", "-recursive", "deploy/terraform"])
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "aws"
        shutil.copytree(TERRAFORM, copy, ignore=shutil.ignore_patterns(".terraform*"))
        mirror = os.environ.get("TF_PLUGIN_DIR", "")
        given = [f"-plugin-dir={mirror}"] if mirror else []
        try:
            _run([terraform, "init", "-backend=false", "-input=false", *given], copy)
        except FoundError as error:
            raise MissingError(f"the AWS provider (TF_PLUGIN_DIR: a mirror): {error}") from error
        for command in ("validate", "test"):
            _run([terraform, command, "-no-color"], copy)


CHECKS: dict[str, Callable[[], None]] = {
    "style": check_style,
    "overlays": check_overlays,
    "manifests": check_manifests,
    "terraform": check_terraform,
}


def _tool(name: str) -> str:
    here = TOOLS / name
    found = str(here.absolute()) if here.exists() else shutil.which(name)
    if found is None:
        raise MissingError(f"{name} (`make setup-delivery` has the linters)")
    return found


def _run(command: list[str], directory: Path | None = None) -> str:
    found = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if found.returncode:
        raise FoundError(f"{Path(command[0]).name}: {found.stdout}{found.stderr}".strip()[-3000:])
    return found.stdout + found.stderr


def _fit(document: object, schema: Path, where: str) -> None:
    try:
        jsonschema.validate(document, json.loads(schema.read_text()))
    except jsonschema.ValidationError as error:
        path = "/".join(str(each) for each in error.absolute_path)
        raise FoundError(f"{where}: {path}: {error.message}") from error


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.targets.check", description=__doc__)
    parser.add_argument("--only", choices=CHECKS, action="append", help="default: all")
    parser.add_argument("--allow-missing", action="store_true", help="skip what has no tool")
    given = parser.parse_args()
    missing, found = [], []
    for name in given.only or CHECKS:
        try:
            CHECKS[name]()
            print(f"{name}: passed")
        except MissingError as error:
            missing.append(name)
            print(f"{name}: NOT CHECKED, missing: {error}")
        except FoundError as error:
            found.append(name)
            print(f"{name}: FAILED\n{error}")
    if missing:
        print(f"SKIPPED, NOT CHECKED: {', '.join(missing)}", file=sys.stderr)
    sys.exit(1 if found or (missing and not given.allow_missing) else 0)


if __name__ == "__main__":
    main()
