"""What a retrain promoted goes back when outcomes speak against it, and only then."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import insert, select

from contracts.bundle import load_bundle, save_bundle
from contracts.database import write_transaction
from contracts.monitoring_params import Monitoring, Probation
from contracts.params import Params
from contracts.registry import champion, promote, register
from contracts.schema import FeatureSchema
from contracts.stages import champions
from contracts.tables import retrains
from monitoring.history import read_history
from monitoring.probation import Finding, run_probation
from monitoring.recalibrate import save_recalibrated
from monitoring.vitals import Sign
from pipeline.model_file import dump_model
from pipeline.onnx_export import to_onnx
from pipeline.search import Chosen
from pipeline.train import fit
from tests.monitoring.conftest import FEBRUARY, World

CHOSEN = Chosen("logistic_regression", {"C": 0.1}, -0.5, "none")


@pytest.fixture(scope="module")
def clueless(
    tmp_path_factory: pytest.TempPathFactory,
    trained: Path,
    january: pd.DataFrame,
    schema: FeatureSchema,
    params: Params,
) -> Path:
    """A bundle that has learned from labels that were dealt at random, most of them late."""
    labels = (np.random.default_rng(0).random(len(january)) < 0.6).astype(int)
    model = fit(CHOSEN, january.assign(late=labels), schema, params)
    bundle = load_bundle(trained)
    files = {**bundle.files, "model.onnx": to_onnx(model, schema), "model.skops": dump_model(model)}
    facts = {name: bundle.manifest[name] for name in ("trained_from", "trained_until")}
    directory = tmp_path_factory.mktemp("clueless") / "bundle"
    save_bundle(directory, files, facts)
    return directory


@pytest.fixture
def monitoring(params: Params) -> Monitoring:
    """Both models are compared as they are: a recalibration would repair most of it."""
    probation = Probation(min_days=5)
    return params.monitoring.model_copy(update={"probation": probation, "recalibrate": None})


def promote_by_retrain(world: World, source: Path, at: datetime) -> str:
    version = register(world.engine, world.bundles, source, at, {})
    row = {"retrain_id": "r1", "started_at": at, "finished_at": at, "state": "promoted",
           "reason": "", "champion_version": world.bundle.version, "challenger_version": version,
           "verdict": "{}"}  # fmt: skip
    with write_transaction(world.engine) as connection:
        connection.execute(insert(retrains).values(row))
        promote(connection, version, actor="retrain r1", reason="", now=at)
    return version


def _answer(world: World, flights: pd.DataFrame, days: int) -> None:
    world.answer(flights[flights.event_time < FEBRUARY + timedelta(days=days)])


def _judge(world: World, monitoring: Monitoring, days: int) -> Finding | None:
    now = FEBRUARY + timedelta(days=days)
    return run_probation(world.engine, world.bundles, monitoring, now)


def test_a_worse_champion_goes_back(
    world: World, clueless: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    promote_by_retrain(world, clueless, FEBRUARY)
    _answer(world, february, 10)
    found = _judge(world, monitoring, 10)

    assert found is not None
    assert found.rolled_back_to == world.bundle.version
    assert "the champion costs" in found.reason
    with world.engine.connect() as connection:
        current = champion(connection)
        row = connection.execute(select(retrains)).one()
        assert read_history(connection, FEBRUARY + timedelta(days=11)).fruitless == 1
    assert current is not None
    assert current.version == world.bundle.version
    assert row.state == "rolled back"
    assert "then rolled back" in json.loads(row.verdict)["reason"]


def test_its_recalibrations_go_with_it(
    world: World, clueless: Path, february: pd.DataFrame, monitoring: Monitoring, tmp_path: Path
) -> None:
    version = promote_by_retrain(world, clueless, FEBRUARY)
    base = load_bundle(world.bundles / version)
    moved = save_recalibrated(base, (0.05, -0.05), tmp_path / "moved")
    register(world.engine, world.bundles, tmp_path / "moved", FEBRUARY, {"recalibrates": version})
    with write_transaction(world.engine) as connection:
        promote(connection, moved, actor="recalibration", reason="", now=FEBRUARY)
    _answer(world, february, 10)
    found = _judge(world, monitoring, 10)

    assert found is not None
    assert found.rolled_back_to == world.bundle.version
    with world.engine.connect() as connection:
        assert champions(connection) == [world.bundle.version]


def test_a_better_champion_stays(
    world: World, clueless: Path, trained: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    worse = register(world.engine, world.bundles, clueless, FEBRUARY, {})
    with write_transaction(world.engine) as connection:
        promote(connection, worse, actor="test", reason="", now=FEBRUARY)
    better = world.bundle
    promote_by_retrain(replace(world, bundle=load_bundle(world.bundles / worse)), trained, FEBRUARY)
    _answer(world, february, 10)
    found = _judge(world, monitoring, 10)

    assert found is not None
    assert found.rolled_back_to is None
    assert "the champion saves" in found.reason
    with world.engine.connect() as connection:
        assert champions(connection)[0] == better.version


def test_few_days_are_not_judged(
    world: World, clueless: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    promote_by_retrain(world, clueless, FEBRUARY)
    _answer(world, february, 3)

    found = _judge(world, monitoring, 3)
    assert found is not None
    assert found.rolled_back_to is None
    assert found.signs[0] == Sign("on probation: 3 days with outcomes, 5 asked for")


def test_nobody_is_on_probation_before_later_or_after_another_promotion(
    world: World, clueless: Path, trained: Path, monitoring: Monitoring
) -> None:
    assert _judge(world, monitoring, 10) is None
    promote_by_retrain(world, clueless, FEBRUARY)
    assert _judge(world, monitoring, 1) is not None
    assert _judge(world, monitoring, 30) is None
    with write_transaction(world.engine) as connection:
        promote(connection, world.bundle.version, actor="somebody", reason="", now=FEBRUARY)
    assert _judge(world, monitoring, 1) is None


def test_without_the_section_nobody_is_judged(world: World, monitoring: Monitoring) -> None:
    assert _judge(world, monitoring.model_copy(update={"probation": None}), 1) is None
