"""A fresh clone of this repository, as a new user has it, run with this Python."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


def clone(directory: Path) -> Path:
    """Clone HEAD; uncommitted edits are left behind on purpose."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(directory)], check=True)
    return directory


def environment() -> dict[str, str]:
    """This environment's tools first, as when it is activated; no settings of the tester's own."""
    tools = str(Path(sys.executable).parent)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PERENNIAL_")}
    return {**inherited, "PATH": f"{tools}{os.pathsep}{inherited['PATH']}"}


def run_in(directory: Path, *command: str, seconds: float = 1800) -> str:
    """Run to success; what it printed."""
    run = subprocess.run(
        command, cwd=directory, env=environment(), timeout=seconds,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, (run.stdout + run.stderr)[-3000:]
    return run.stdout


@pytest.fixture(scope="session")
def trained_clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which `dvc repro` has run."""
    directory = clone(tmp_path_factory.mktemp("clone") / "perennial")
    run_in(directory, "dvc", "repro")
    return directory
