"""docs/remotes.md, run against storage that speaks S3."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.end_to_end.conftest import ROOT
from tests.end_to_end.storage import credentials, install_moto, make_bucket, storage_server

pytestmark = pytest.mark.slow
GIT = ["git", "-c", "user.name=a test", "-c", "user.email=test@example.invalid"]
STAGE = """\
stages:
  copy:
    cmd: cp table.parquet copy.parquet
    deps: [table.parquet]
    outs: [copy.parquet]
"""
READ = """\
import sys, fsspec, pandas as pd
address, endpoint = sys.argv[1:]
options = {"client_kwargs": {"endpoint_url": endpoint}} if endpoint else {}
with fsspec.open(address, "rb", **options) as file:
    print(pd.read_parquet(file)["x"].sum())
"""


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("moto")
    command = install_moto(directory / "venv")
    with storage_server(command, directory / "log") as address:
        make_bucket(address, "bucket")
        yield address


@pytest.fixture(scope="module")
def pushed(storage: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small project with a tracked file and a stage, its remote named as the docs say, pushed."""
    project = tmp_path_factory.mktemp("project")
    pd.DataFrame({"x": np.arange(1000)}).to_parquet(project / "table.parquet")
    (project / "dvc.yaml").write_text(STAGE)
    run(project, *GIT, "init", "--quiet")
    run(project, "dvc", "init", "--quiet")
    for command in documented_commands("dvc remote"):
        command = command.replace("BUCKET", "bucket").replace("https://STORAGE.EXAMPLE", storage)
        run(project, *command.split())
    run(project, "dvc", "add", "--quiet", "table.parquet")
    run(project, "dvc", "repro", "--quiet")
    run(project, *GIT, "add", "--all")
    run(project, *GIT, "commit", "--quiet", "-m", "A table")
    for command in documented_commands("dvc push"):
        run(project, *command.split())
    return project


def run(directory: Path, *command: str, **variables: str) -> str:
    """Run to success with this Python's tools; what it printed."""
    tools = Path(sys.executable).parent
    environment = credentials() | variables
    environment["PATH"] = f"{tools}:{environment['PATH']}"
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


def documented_commands(start: str) -> list[str]:
    """Lines of the blocks that docs/remotes.md calls tested."""
    text = (ROOT / "docs" / "remotes.md").read_text()
    blocks = re.findall(r"<!-- tested -->\n```bash\n(.*?)```", text, re.DOTALL)
    found = [line for line in "".join(blocks).splitlines() if line.startswith(start)]
    assert found, start
    return found


def test_another_clone_pulls_the_same_bytes_and_need_not_run_a_stage(
    pushed: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    run(tmp_path, "git", "clone", "--quiet", str(pushed), str(other))
    assert not (other / ".dvc" / "cache").exists()
    for command in documented_commands("dvc pull"):
        run(other, *command.split())

    for name in ("table.parquet", "copy.parquet"):
        assert (other / name).read_bytes() == (pushed / name).read_bytes()
    assert "up to date" in run(other, "dvc", "status")


def test_committed_config_holds_no_key(pushed: Path) -> None:
    config = run(pushed, "git", "show", "HEAD:.dvc/config")

    assert "endpointurl" in config
    assert "a-test" not in config


@pytest.mark.parametrize("by_environment", [False, True])
def test_table_is_read_by_its_address(storage: str, pushed: Path, by_environment: bool) -> None:
    address = "s3://bucket/tables/it.parquet"
    upload = "import fsspec, sys; fsspec.filesystem('s3').put(sys.argv[1], sys.argv[2])"
    run(pushed, sys.executable, "-c", upload, "table.parquet", address, AWS_ENDPOINT_URL=storage)
    if by_environment:
        total = run(pushed, sys.executable, "-c", READ, address, "", AWS_ENDPOINT_URL=storage)
    else:
        total = run(pushed, sys.executable, "-c", READ, address, storage)

    assert int(total) == 499500
