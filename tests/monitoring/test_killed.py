"""A scheduler killed at any step leaves nothing that a person must clean, and no doubt."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sqlalchemy import Row, Table, select

from contracts.bundle import load_bundle, save_bundle
from contracts.registry import champion, versions
from contracts.tables import checks, decisions, retrains
from monitoring.attempts import LEASE
from monitoring.leases import LENGTH, running, utc_now
from monitoring.process_tree import marked
from monitoring.working_copy import AUTHOR
from tests.monitoring.conftest import World

pytestmark = pytest.mark.slow

SHIFT = datetime.now(UTC) - timedelta(days=28, hours=1) - datetime(2013, 2, 1, tzinfo=UTC)
BEFORE_THE_RETRAIN = [
    ("monitoring.performance.measure", "call"),
    ("monitoring.recorded.record", "return"),
    ("monitoring.governor.answer", "return"),  # asked, and nothing committed
]
BEFORE_THE_PROMOTION = [
    ("monitoring.attempts.begin", "return"),
    pytest.param("monitoring.snapshot.write_snapshot", "return", marks=pytest.mark.long),
    ("contracts.registry._version_row", "return"),  # its files lie there, its row does not
    pytest.param("contracts.registry.register", "return", marks=pytest.mark.long),
    pytest.param("monitoring.gate.judge", "call", marks=pytest.mark.long),
    ("contracts.registry.promote", "return"),  # written, not committed
]
AFTER_IT = ("monitoring.retrain._conclude", "return")


# Real DVC, git and processes; only what the stage does is short, and it does it each time.
STAGES = """
stages:
  train:
    cmd: python train.py
    always_changed: true
    outs: [build/bundle, build/holdout.parquet]
"""
TRAIN = """
import os, shutil, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    time.sleep(4)
    os._exit(0)
time.sleep(2)
shutil.copytree("made", "build", dirs_exist_ok=True)
"""


@pytest.fixture(scope="module")
def project(
    tmp_path_factory: pytest.TempPathFactory, trained: Path, february: pd.DataFrame
) -> Path:
    """A repository whose only stage brings the same challenger, judged on February."""
    project = tmp_path_factory.mktemp("killed") / "project"
    bundle = load_bundle(trained)
    facts = {name: bundle.manifest[name] for name in ("trained_from", "trained_until")}
    save_bundle(project / "made" / "bundle", {**bundle.files, "model_card.md": b"# Again"}, facts)
    known = february[february.late.notna()]
    better = 0.9 * bundle.model().answers_of(known) + 0.1 * np.eye(2)[known.late.astype(int)]
    holdout = known.assign(**dict(zip(bundle.schema.answers, better.T, strict=True)))
    holdout.to_parquet(project / "made" / "holdout.parquet")
    (project / "dvc.yaml").write_text(STAGES)
    (project / "train.py").write_text(TRAIN)
    (project / ".gitignore").write_text("/build\n/data/champion\n")
    commit = ["git", *AUTHOR, "commit", "--quiet", "-m", "first"]
    for command in (["git", "init", "--quiet"], ["dvc", "init"], ["git", "add", "--all"], commit):
        subprocess.run(command, cwd=project, check=True, env=_tools())
    return project


def _tools() -> dict[str, str]:
    tools = str(Path(sys.executable).parent)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PERENNIAL_")}
    return {**inherited, "PATH": f"{tools}{os.pathsep}{inherited['PATH']}"}


@pytest.fixture
def params_file(tmp_path: Path) -> Path:
    """Checks draw no report, are due every minute, and every challenger passes the gate."""
    params = yaml.safe_load(Path("params.yaml").read_text())["monitoring"]
    params["schedule"] = "* * * * *"
    params["policy"]["min_rows"] = 10**6
    params["gate"]["min_t"] = -1e9
    shipped = yaml.safe_load(Path("params.yaml").read_text())
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({**shipped, "monitoring": params}, sort_keys=False))
    return path


@pytest.fixture
def environment(
    world: World, tmp_path: Path, project: Path, params_file: Path, february: pd.DataFrame
) -> dict[str, str]:
    """Of a scheduler whose champion has learned nothing for years, so that every check is due."""
    world.answer(february.assign(event_time=february.event_time + SHIFT))
    places = {
        "DATABASE_URL": world.engine.url,
        "BUNDLES_DIR": world.bundles,
        "REPORTS_DIR": world.reports,
        "WORK_DIR": tmp_path / "work",
        "PROJECT_DIR": project,
        "PARAMS_FILE": params_file,
    }
    return _tools() | {f"PERENNIAL_{name}": str(value) for name, value in places.items()}


@contextmanager
def _process(environment: dict[str, str], *command: str) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-m", *command], env=environment) as process:
        try:
            yield process
        finally:
            process.terminate()


def _rows(world: World, table: Table) -> list[Row[Any]]:
    with world.engine.connect() as connection:
        return list(connection.execute(select(table)).all())


def _unresolved(world: World, work_dir: Path) -> list[str]:
    """What a person would still have to wait for, or clean."""
    open_rows = [f"row {row.state}" for row in _rows(world, retrains) if row.finished_at is None]
    with world.engine.connect() as connection:
        held = running(connection, LEASE, utc_now(), LENGTH)
    copies = [path for path in work_dir.glob("*") if path.is_dir()]
    orphans = [f"process {number}" for path in copies for number in marked(path.resolve())]
    return [*open_rows, *filter(None, [held]), *map(str, copies), *orphans]


def _wait_until(is_so: Callable[[], Any], seconds: float) -> float:
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if is_so():
            return time.monotonic() - began
        time.sleep(0.1)
    raise AssertionError(f"not within {seconds} s")


def _restart(world: World, environment: dict[str, str]) -> None:
    """A new scheduler resolves everything within a minute; its own checks come at six."""
    params = Path(environment["PERENNIAL_PARAMS_FILE"])
    quiet = params.with_name("quiet.yaml")
    quiet.write_text(params.read_text().replace("'* * * * *'", "0 6 * * *"))
    work_dir = Path(environment["PERENNIAL_WORK_DIR"])
    with _process(environment | {"PERENNIAL_PARAMS_FILE": str(quiet)}, "monitoring.scheduler"):
        _wait_until(lambda: not _unresolved(world, work_dir), 60)
    with world.engine.connect() as connection:
        registered = [row.version for row in versions(connection)]
        current = champion(connection)
    assert current is not None
    assert current.version in registered
    for version in registered:
        assert load_bundle(world.bundles / version).version == version


def _killed(environment: dict[str, str], function: str, moment: str) -> None:
    with _process(environment, "tests.monitoring.killed", function, moment) as process:
        assert process.wait(timeout=300) == -signal.SIGKILL


@pytest.mark.parametrize(("function", "moment"), BEFORE_THE_RETRAIN)
def test_killed_before_the_retrain_leaves_none(
    world: World, environment: dict[str, str], function: str, moment: str
) -> None:
    _killed(environment, function, moment)
    _restart(world, environment)

    assert _rows(world, retrains) == []
    assert _rows(world, decisions) == []


@pytest.mark.parametrize(("function", "moment"), BEFORE_THE_PROMOTION)
def test_killed_before_the_promotion_is_buried_and_the_champion_stays(
    world: World, environment: dict[str, str], function: str, moment: str
) -> None:
    _killed(environment, function, moment)
    _restart(world, environment)

    (row,) = _rows(world, retrains)
    assert (row.state, "interrupted" in json.loads(row.verdict)) == ("failed", True)
    told = [(each.trigger, each.answer) for each in _rows(world, decisions)]
    assert told == [("schedule", "yes"), ("restart", "no")]
    with world.engine.connect() as connection:
        assert champion(connection).version == world.bundle.version


def test_killed_while_it_trains_takes_its_children_along(
    world: World, environment: dict[str, str], tmp_path: Path
) -> None:
    def trains() -> bool:
        return any("train.py" in path.read_text() for path in (tmp_path / "work").glob("*.log"))

    with _process(environment, "tests.monitoring.killed") as process:
        _wait_until(trains, 300)
        (copy,) = [path for path in (tmp_path / "work").glob("*") if path.is_dir()]
        assert marked(copy.resolve())
        process.kill()
    assert _wait_until(lambda: not marked(copy.resolve()), 5) < 5
    _restart(world, environment)

    assert [row.state for row in _rows(world, retrains)] == ["failed"]


def test_killed_after_the_promotion_has_promoted(world: World, environment: dict[str, str]) -> None:
    _killed(environment, *AFTER_IT)
    _restart(world, environment)

    (row,) = _rows(world, retrains)
    assert row.state == "promoted"
    with world.engine.connect() as connection:
        assert champion(connection).version == row.challenger_version


def test_two_schedulers_retrain_once_for_one_trigger(
    world: World, environment: dict[str, str]
) -> None:
    with (
        _process(environment, "monitoring.scheduler"),
        _process(environment, "monitoring.scheduler"),
    ):
        _wait_until(lambda: len(_rows(world, checks)) >= 2 and not _busy(world), 300)

    per_minute = [f"{row.checked_at:%H:%M}" for row in _rows(world, checks)]
    assert len(per_minute) == len(set(per_minute))
    assert [row.state for row in _rows(world, retrains)] == ["promoted"]
    assert [row.answer for row in _rows(world, decisions)].count("yes") == 1


def _busy(world: World) -> bool:
    return any(row.finished_at is None for row in _rows(world, retrains))
