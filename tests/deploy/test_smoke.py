"""`python -m deploy.smoke` against a real service: what works passes, what does not is named."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.settings import Settings
from tests.conftest import WRONG_KEY, MadeBundle
from tests.service.servers import environment, service_process

KEY = "perennial_" + "k" * 43


def smoke(port: int, key: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "deploy/smoke.py", "--url", f"http://127.0.0.1:{port}", *arguments],
        env={"PERENNIAL_API_KEY": key}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.fixture
def port(settings: Settings, bundle_a: MadeBundle, tmp_path: Path) -> Iterator[int]:
    """A closed service that answers by bundle A."""
    closed = settings.model_copy(update={"access": "closed"})
    (tmp_path / "key").write_text(KEY)
    subprocess.run(
        [sys.executable, "-m", "deploy.install", "--bundle", bundle_a.directory,
         "--key", f"smoke:predict,read:{tmp_path}/key"],
        env=environment(closed), check=True, capture_output=True,
    )  # fmt: skip
    with service_process(closed, tmp_path / "log") as (_, port):
        yield port


def test_a_whole_service_passes_and_says_what_was_seen(port: int, bundle_a: MadeBundle) -> None:
    found = smoke(port, KEY, "--version", bundle_a.version)

    assert found.returncode == 0, found.stdout + found.stderr
    for name in ("ready", "predict, named features", "predict, features in order",
                 "predict, many rows", "version", "rows in the ledger", "metrics"):  # fmt: skip
        assert f"ok      {name}" in found.stdout


def test_another_version_than_expected_fails(port: int, bundle_a: MadeBundle) -> None:
    found = smoke(port, KEY, "--version", "0123456789ab")

    assert found.returncode == 1
    assert f"FAILED  version {bundle_a.version} answers, not 0123456789ab" in found.stdout


def test_a_key_that_does_not_count_fails(port: int) -> None:
    found = smoke(port, WRONG_KEY)

    assert found.returncode == 1
    assert "answers 401" in found.stdout


def test_nobody_there_fails() -> None:
    found = smoke(9, KEY)

    assert found.returncode == 1
    assert "no answer" in found.stdout
