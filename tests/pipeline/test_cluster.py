"""On a Dask cluster searches and scoring give what one machine gives, also when a worker dies."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import RandomizedSearchCV

from deploy.local import free_port
from pipeline.cluster import ADDRESS, ClusterError, search_backend
from tests.pipeline.score_bundles import make_bundle, make_table

FILES, FILE_ROWS = 12, 4000


@dataclass(frozen=True)
class Cluster:
    """A scheduler and two workers, started away from the project: its code has to come to them."""

    address: str
    workers: "list[subprocess.Popen[bytes]]"


@pytest.fixture
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    place = tmp_path_factory.mktemp("cluster")
    port = str(free_port())
    address = f"tcp://127.0.0.1:{port}"
    local = ["--host", "127.0.0.1", "--no-dashboard"]
    scheduler = ["distributed.cli.dask_scheduler", "--port", port, *local]
    worker = ["distributed.cli.dask_worker", address, "--no-nanny", "--nthreads", "1", *local]
    started = [_start([sys.executable, "-m", *each], place) for each in (scheduler, worker, worker)]
    try:
        yield Cluster(address, started[1:])
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def _start(command: list[str], place: Path) -> "subprocess.Popen[bytes]":
    environ = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=place, env=environ, stdout=quiet, stderr=quiet)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, a directory of Parquet files, and their answers here."""
    place = tmp_path_factory.mktemp("tables")
    make_bundle(place / "bundle")
    (place / "tables").mkdir()
    for i in range(FILES):
        make_table(FILE_ROWS, i).to_parquet(place / "tables" / f"day-{i:02}.parquet")
    said, code = score(place, place / "whole.parquet", {})
    assert code == 0, said
    return place


def score(place: Path, output: "Path | str", environ: dict[str, str]) -> tuple[str, int]:
    process = start_score(place, output, environ)
    said = process.communicate()[1].decode()
    return said, process.returncode


def start_score(
    place: Path, output: "Path | str", environ: dict[str, str]
) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "pipeline.score", "--bundle", str(place / "bundle"),
               "--input", str(place / "tables"), "--output", str(output), "--processes", "1",
               "--rows-per-chunk", "500"]  # fmt: skip
    return subprocess.Popen(command, env={**os.environ, **environ}, stderr=subprocess.PIPE)


@pytest.mark.slow
def test_a_search_on_the_cluster_gives_the_same_scores(cluster: Cluster) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 4))
    target = (rows[:, 0] + rng.normal(size=500) > 0).astype(int)
    found = []
    for environ in ({}, {ADDRESS: cluster.address}):
        search = RandomizedSearchCV(
            LogisticRegression(), {"C": [0.01, 0.1, 1.0, 10.0]}, n_iter=4, cv=3, random_state=0
        )
        with search_backend(environ):
            found.append(search.fit(rows, target).cv_results_["mean_test_score"])

    np.testing.assert_array_equal(*found)


@pytest.mark.slow
def test_the_cluster_writes_parts_of_the_same_names(
    cluster: Cluster, place: Path, tmp_path: Path
) -> None:
    said, code = score(place, f"{tmp_path}/answers/", {ADDRESS: cluster.address})

    assert code == 0, said
    names = [path.name for path in sorted((tmp_path / "answers").glob("*.parquet"))]
    assert names == [f"day-{i:02}.parquet" for i in range(FILES)]
    answers = pd.read_parquet(tmp_path / "answers").drop(columns="problem")
    pd.testing.assert_frame_equal(answers, pd.read_parquet(place / "whole.parquet"))


@pytest.mark.slow
def test_a_lost_worker_loses_no_rows(cluster: Cluster, place: Path, tmp_path: Path) -> None:
    process = start_score(place, tmp_path / "a.parquet", {ADDRESS: cluster.address})
    parts = tmp_path / "a.parquet.parts"
    while process.poll() is None and not list(parts.glob("day-*.parquet")):
        time.sleep(0.005)
    cluster.workers[0].send_signal(signal.SIGKILL)

    said = process.communicate()[1].decode()

    assert process.returncode == 0, said
    answers, whole = (pd.read_parquet(p / n) for p, n in ((tmp_path, "a.parquet"),
                                                          (place, "whole.parquet")))  # fmt: skip
    pd.testing.assert_frame_equal(answers, whole)


@pytest.mark.slow
def test_a_scheduler_that_is_not_there_is_named(place: Path) -> None:
    with pytest.raises(ClusterError, match="no scheduler answers at tcp://127.0.0.1:9"):
        with search_backend({ADDRESS: "tcp://127.0.0.1:9"}):
            pass


def test_without_an_address_no_cluster_client_is_imported() -> None:
    code = (
        "import sys, pipeline.score\nfrom pipeline.cluster import search_backend\n"
        "with search_backend({}): print('distributed' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout == "False\n"


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "distributed.py").write_text("raise ModuleNotFoundError('', name='distributed')")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pipeline.cluster import ADDRESS, ClusterError, search_backend\n"
        "try:\n    search_backend({ADDRESS: 'tcp://127.0.0.1:9'}).__enter__()\n"
        "except ClusterError as error: print(error)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)

    assert "distributed is not installed; install requirements/extras.txt" in run.stdout
