import os
import socket
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.bundle import load_bundle
from pipeline.track import VERSION_TAG
from tests.task_bundles import make_task_bundle

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what mlflow's own imports say
    from mlflow.entities import Run
    from mlflow.tracking import MlflowClient

ROOT = Path(__file__).parents[2]
# What MLflow's store says of its own libraries, when it is read back here.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
HOSTILE = 'größe "☃" / (x)'


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory as `dvc repro` leaves it, with a feature of a hostile and of a long name."""
    project = tmp_path_factory.mktemp("project")
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["features"] |= {HOSTILE: {"kind": "numeric"}, "x" * 300: {"kind": "numeric"}}
    (project / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    make_task_bundle(project / "build" / "bundle", "binary")
    for name in ("profile.html", "roc.csv", "plots/reliability.png", "prepared.parquet"):
        path = project / "build" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"content of " + name.encode())
    return project


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/runs.db"


def track(project: Path, uri: str | None, *options: str) -> "subprocess.CompletedProcess[str]":
    """`python -m pipeline.track` in the project."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    environment |= {"PYTHONPATH": str(ROOT)} | ({"MLFLOW_TRACKING_URI": uri} if uri else {})
    command = [sys.executable, "-m", "pipeline.track", "--commit", COMMIT, *options]
    return subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def tracked(project: Path, uri: str) -> "subprocess.CompletedProcess[str]":
    return track(project, uri)


@pytest.fixture(scope="module")
def client(tracked: Any, uri: str) -> MlflowClient:
    return MlflowClient(tracking_uri=uri)


def runs(client: MlflowClient) -> list[Run]:
    experiment = client.get_experiment_by_name("perennial")
    return list(client.search_runs([experiment.experiment_id]))


def test_run_is_logged_and_told_in_a_line(
    tracked: "subprocess.CompletedProcess[str]", client: MlflowClient
) -> None:
    assert tracked.returncode == 0, tracked.stderr
    assert tracked.stdout == f"MLflow: run {runs(client)[0].info.run_id}\n"
    assert "Traceback" not in tracked.stderr


def test_run_names_the_bundle_and_the_commit(project: Path, client: MlflowClient) -> None:
    version = load_bundle(project / "build" / "bundle").version
    run = runs(client)[0]

    assert run.info.status == "FINISHED"
    assert run.info.run_name == version
    assert run.data.tags[VERSION_TAG] == version
    assert run.data.tags["mlflow.source.git.commit"] == COMMIT
    assert run.data.tags["mlflow.note.content"] == "# A model for tests\n"


def test_run_has_params_and_metrics(client: MlflowClient) -> None:
    data = runs(client)[0].data

    assert data.params["data.target"] == "late"
    assert data.params["data.classes"] == "[0, 1]"
    assert data.params["features.temp.nullable"] == "true"
    assert data.params["features.gr_f6__df_e _22__2603__22_ _2f_ _28_x_29_.kind"] == "numeric"
    assert data.metrics == {"log_loss": 0.5, "nested.rows": 300.0}


def test_run_has_what_people_read_and_no_table(
    project: Path, client: MlflowClient, tmp_path: Path
) -> None:
    place = client.download_artifacts(runs(client)[0].info.run_id, "build", str(tmp_path))
    found = {p.relative_to(place).as_posix() for p in Path(place).rglob("*") if p.is_file()}

    assert {"profile.html", "roc.csv", "plots/reliability.png"} <= found
    assert "prepared.parquet" not in found
    assert (Path(place) / "profile.html").read_bytes() == b"content of profile.html"


def test_logged_bundle_loads_and_is_the_same_version(
    project: Path, client: MlflowClient, tmp_path: Path
) -> None:
    place = client.download_artifacts(runs(client)[0].info.run_id, "build/bundle", str(tmp_path))

    assert load_bundle(Path(place)) == load_bundle(project / "build" / "bundle")


def test_same_bundle_is_logged_once(project: Path, uri: str, client: MlflowClient) -> None:
    again = track(project, uri)

    assert again.returncode == 0
    assert again.stdout == "MLflow: has this bundle already\n"
    assert len(runs(client)) == 1


def test_artifacts_are_kept_beside_the_database(client: MlflowClient, uri: str) -> None:
    directory = Path(uri.removeprefix("sqlite:///")).parent

    assert runs(client)[0].info.artifact_uri.startswith((directory / "runs.artifacts").as_uri())


def test_without_the_variable_nothing_is_imported(project: Path) -> None:
    code = (
        "import sys; from pipeline.track import main; sys.argv = ['track']; main();"
        "sys.exit('mlflow' in sys.modules)"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, check=False
    )

    assert run.returncode == 0
    assert run.stdout == b""


@pytest.mark.slow
@pytest.mark.parametrize(("options", "code"), [([], 0), (["--strict"], 1)])
def test_server_that_is_down_is_one_line_and_fails_only_if_strict(
    project: Path, options: list[str], code: int
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    run = track(project, f"http://me:secret@127.0.0.1:{port}", *options)

    assert run.returncode == code
    told = [line for line in run.stderr.splitlines() if line.startswith("not logged to MLflow at")]
    assert len(told) == 1
    assert f"http://127.0.0.1:{port}" in told[0]
    assert "secret" not in run.stderr
    assert "Traceback" not in run.stderr


def test_missing_bundle_is_one_line(project: Path, uri: str, tmp_path: Path) -> None:
    run = track(project, uri, "--build", str(tmp_path))

    assert run.returncode == 0
    assert "no bundle at" in run.stderr


def test_relative_database_is_refused_with_the_remedy(project: Path) -> None:
    run = track(project, "sqlite:///runs.db", "--strict")

    assert run.returncode == 1
    assert "four slashes" in run.stderr


@pytest.mark.slow
def test_run_that_broke_off_is_failed_and_logged_again(project: Path, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/runs.db"
    (tmp_path / "runs.artifacts").write_text("no directory can be made here")
    broken = track(project, uri)
    (tmp_path / "runs.artifacts").unlink()
    again = track(project, uri)
    statuses = [run.info.status for run in runs(MlflowClient(tracking_uri=uri))]

    assert "not logged" in broken.stderr
    assert sorted(statuses) == ["FAILED", "FINISHED"]
    assert again.stdout.startswith("MLflow: run ")
