"""A retrain ends as promoted, rejected or failed, says why, and never disturbs the champion."""

import json
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import Row, insert, select

from contracts.bundle import load_bundle, save_bundle
from contracts.bundle_files import GOLDEN
from contracts.database import write_transaction
from contracts.monitoring_params import Promotion
from contracts.params import Params, load_params
from contracts.registry import champion, promote, register
from contracts.settings import Settings
from contracts.tables import retrains
from monitoring.attempts import RefusedError
from monitoring.leases import LENGTH, take, utc_now
from monitoring.retrain import Outcome, run_retrain
from monitoring.triggers import of_person
from pipeline.prepare import prepare_all
from tests.monitoring.conftest import FEBRUARY, World

MARCH = FEBRUARY + timedelta(days=28)


def _settings(world: World, tmp_path: Path, project: Path) -> Settings:
    return Settings(
        _env_file=None,
        database_url=str(world.engine.url),
        bundles_dir=world.bundles,
        work_dir=tmp_path / "work",
        project_dir=project,
    )


def _retrain(world: World, params: Params, settings: Settings, now: datetime) -> Outcome:
    return run_retrain(world.engine, settings, params, lambda: now, of_person("a test", now))


def _row(world: World) -> Row[tuple[object, ...]]:
    with world.engine.connect() as connection:
        return connection.execute(select(retrains).order_by("started_at")).all()[-1]


def _champion(world: World) -> str:
    with world.engine.connect() as connection:
        current = champion(connection)
        assert current is not None
        return current.version


def test_broken_project_fails_with_its_reason_and_frees_the_lease(
    world: World, params: Params, tmp_path: Path, february: pd.DataFrame
) -> None:
    world.answer(february)
    settings = _settings(world, tmp_path, tmp_path / "no repository")
    outcomes = [_retrain(world, params, settings, MARCH) for _ in range(2)]

    assert [outcome.state for outcome in outcomes] == ["failed", "failed"]
    row = _row(world)
    assert (row.state, row.finished_at) == ("failed", MARCH)
    assert "git clone" in json.loads(row.verdict)["error"]
    assert _champion(world) == world.bundle.version


def test_second_retrain_is_refused_while_one_runs(
    world: World, params: Params, tmp_path: Path
) -> None:
    with write_transaction(world.engine) as connection:
        take(connection, "retrain", "elsewhere", utc_now(), LENGTH)

    with pytest.raises(RefusedError, match="already running at elsewhere"):
        _retrain(world, params, _settings(world, tmp_path, tmp_path), MARCH)
    with world.engine.connect() as connection:
        assert connection.execute(select(retrains)).all() == []


def test_interrupted_retrain_is_marked_by_the_next(
    world: World, params: Params, tmp_path: Path
) -> None:
    row = {"retrain_id": "dead", "started_at": FEBRUARY, "state": "started", "reason": "",
           "champion_version": world.bundle.version, "verdict": "{}"}  # fmt: skip
    with write_transaction(world.engine) as connection:
        connection.execute(insert(retrains).values(row))
        take(connection, "retrain", "killed", FEBRUARY, timedelta(hours=1))

    _retrain(world, params, _settings(world, tmp_path, tmp_path / "none"), MARCH)

    with world.engine.connect() as connection:
        dead = select(retrains).where(retrains.c.retrain_id == "dead")
        assert connection.execute(dead).one().state == "failed"


@pytest.fixture
def golden_world(world: World, tmp_path: Path, year: pd.DataFrame) -> World:
    """The champion carries the golden set of the project that retrains."""
    raw = year[year.event_time < "2013-02-01"]
    golden = prepare_all([raw], load_params(_small_project(tmp_path) / "params.yaml")).golden
    assert golden.event_time.dt.floor("D").nunique() >= 5
    files = {**world.bundle.files, GOLDEN: golden.to_parquet()}
    own = {"format", "files", "sizes"}
    facts = {name: fact for name, fact in world.bundle.manifest.items() if name not in own}
    save_bundle(tmp_path / "golden", files, facts)
    version = register(world.engine, world.bundles, tmp_path / "golden", FEBRUARY, {})
    with write_transaction(world.engine) as connection:
        promote(connection, version, actor="test", reason="golden", now=FEBRUARY)
    return replace(world, bundle=load_bundle(world.bundles / version))


def _gate(min_t: float) -> Params:
    params = load_params(Path("params.yaml"))
    gate = params.monitoring.gate.model_copy(update={"min_t": min_t})
    monitoring = params.monitoring.model_copy(update={"gate": gate})
    return params.model_copy(update={"monitoring": monitoring})


@pytest.mark.slow
def test_poisoned_outcomes_promote_nobody(
    golden_world: World, tmp_path: Path, february: pd.DataFrame
) -> None:
    """Every label is flipped, also those that the gate judges by."""
    golden_world.answer(february.assign(late=1 - february.late))
    settings = _settings(golden_world, tmp_path, tmp_path / "project")

    outcome = _retrain(golden_world, _gate(min_t=-1e9), settings, MARCH)

    assert outcome.state == "rejected", outcome.reason
    assert _champion(golden_world) == golden_world.bundle.version


@pytest.mark.slow
@pytest.mark.long
def test_champion_without_the_golden_set_names_the_remedy(
    world: World, tmp_path: Path, february: pd.DataFrame
) -> None:
    world.answer(february)
    settings = _settings(world, tmp_path, _small_project(tmp_path))

    outcome = _retrain(world, _gate(min_t=-1e9), settings, MARCH)

    assert outcome.state == "rejected"
    assert "the golden set is locked" in outcome.reason
    assert "dvc repro" in outcome.reason


@pytest.mark.slow
@pytest.mark.parametrize(
    "min_t", [-1e9, pytest.param(1e9, marks=pytest.mark.long)], ids=["always", "never"]
)
def test_real_retrain_learns_from_outcomes_and_obeys_the_gate(
    golden_world: World, tmp_path: Path, february: pd.DataFrame, min_t: float
) -> None:
    world = golden_world
    world.answer(february)
    settings = _settings(world, tmp_path, tmp_path / "project")

    params = _gate(min_t)
    outcome = _retrain(world, params, settings, MARCH)

    assert outcome.state == ("promoted" if min_t < 0 else "rejected"), outcome.reason
    challenger = load_bundle(world.bundles / str(outcome.challenger))
    assert challenger.manifest["trained_until"] > world.bundle.manifest["trained_until"]
    assert _champion(world) == (challenger.version if min_t < 0 else world.bundle.version)
    verdict = json.loads(_row(world).verdict)
    assert verdict["days"] >= 20
    assert verdict["golden"]["passed"]
    mature = MARCH - timedelta(days=params.monitoring.estimate.mature_days)
    assert datetime.fromisoformat(challenger.manifest["trained_until"]) < mature
    assert not (tmp_path / "work" / outcome.retrain_id).exists()
    ref = f"refs/retrains/{outcome.retrain_id}"
    shown = subprocess.run(
        ["git", "show", "--stat", ref], cwd=settings.project_dir,
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "data/outcomes" in shown.stdout
    assert _restore(settings.project_dir, ref, tmp_path / "old") == challenger.version


@pytest.mark.slow
@pytest.mark.long
def test_where_a_person_promotes_the_challenger_waits(
    golden_world: World, tmp_path: Path, february: pd.DataFrame
) -> None:
    world = golden_world
    world.answer(february)
    params = _gate(min_t=-1e9)
    person = params.monitoring.model_copy(update={"promotion": Promotion(mode="person")})
    settings = _settings(world, tmp_path, tmp_path / "project")

    outcome = _retrain(world, params.model_copy(update={"monitoring": person}), settings, MARCH)

    assert outcome.state == "awaiting", outcome.reason
    assert f"python -m contracts.registry promote {outcome.challenger}" in outcome.reason
    assert _champion(world) == world.bundle.version
    with write_transaction(world.engine) as connection:
        promote(connection, str(outcome.challenger), actor="she", reason="looks good", now=MARCH)
    assert _row(world).state == "promoted"


def _restore(project: Path, ref: str, directory: Path) -> str:
    """An old model, got back as the README says."""
    dvc = str(Path(sys.executable).parent / "dvc")
    cache = str(project / ".dvc" / "cache")
    add = ["git", "worktree", "add", "--quiet", str(directory), ref]
    subprocess.run(add, cwd=project, check=True, capture_output=True)
    for command in ([dvc, "cache", "dir", "--local", cache], [dvc, "checkout", "--quiet"]):
        subprocess.run(command, cwd=directory, check=True, capture_output=True)
    return load_bundle(directory / "build" / "bundle").version


@pytest.mark.slow
def test_stopped_retrain_is_marked_failed(
    world: World, tmp_path: Path, february: pd.DataFrame
) -> None:
    world.answer(february)
    stop = threading.Event()
    threading.Timer(5, stop.set).start()
    params = load_params(Path("params.yaml"))

    outcome = run_retrain(
        world.engine, _settings(world, tmp_path, _small_project(tmp_path)), params,
        lambda: MARCH, of_person("a test", MARCH), stop=stop,
    )  # fmt: skip

    assert outcome.state == "failed"
    assert "stopped" in outcome.reason


def _small_project(tmp_path: Path) -> Path:
    """A clone of this project, edited on disk: history ends in January, golden days are six."""
    project = tmp_path / "project"
    subprocess.run(["git", "clone", "--quiet", ".", str(project)], check=True)
    params = project / "params.yaml"
    text = params.read_text()
    assert '"2013-04-01"' in text
    assert "share: 0.08" in text
    text = text.replace('"2013-04-01"', '"2013-02-01"').replace("share: 0.08", "share: 0.2")
    params.write_text(text)
    return project
