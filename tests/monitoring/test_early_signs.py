"""A broken champion goes back before a single outcome has come; an honest one stays."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import insert

from contracts.bundle import load_bundle, save_bundle
from contracts.bundle_files import GOLDEN
from contracts.database import write_transaction
from contracts.monitoring_params import Monitoring, Probation, VitalsLimits
from contracts.params import Params
from contracts.registry import champion, promote, register
from contracts.schema import FeatureSchema
from contracts.tables import vitals
from contracts.vitals import SECONDS
from monitoring.probation import Finding, run_probation
from pipeline.model_file import dump_model
from pipeline.onnx_export import to_onnx
from pipeline.train import fit
from tests.monitoring.conftest import FEBRUARY, World
from tests.monitoring.test_probation import CHOSEN, promote_by_retrain

DAYS = 6
MINUTE = timedelta(minutes=1)
Make = Callable[..., Path]


@pytest.fixture
def made(
    tmp_path: Path,
    trained: Path,
    year: pd.DataFrame,
    january: pd.DataFrame,
    schema: FeatureSchema,
    params: Params,
) -> Make:
    """Makes a bundle of a model of the second half of January, its log-odds times a factor."""

    def make(factor: float, *, golden: bool = True) -> Path:
        model = fit(CHOSEN, january.iloc[len(january) // 2 :], schema, params)
        line = model[-1]
        line.coef_, line.intercept_ = line.coef_ * factor, line.intercept_ * factor
        bundle = load_bundle(trained)
        files = {**bundle.files, "model.onnx": to_onnx(model, schema)}
        files["model.skops"] = dump_model(model)
        if golden:
            files[GOLDEN] = _golden(year)
        facts = {name: bundle.manifest[name] for name in ("trained_from", "trained_until")}
        directory = tmp_path / f"times {factor}"
        save_bundle(directory, files, facts)
        return directory

    return make


def _golden(year: pd.DataFrame) -> bytes:
    march = year[(year.event_time >= "2013-03-01") & (year.event_time < "2013-04-01")]
    return bytes(march.dropna(subset=["late"]).iloc[::10].to_parquet())


@pytest.fixture
def monitoring(params: Params) -> Monitoring:
    probation = Probation(hours=24 * DAYS)
    return params.monitoring.model_copy(update={"probation": probation})


def _serve(world: World, version: str, february: pd.DataFrame) -> None:
    rows = february[february.event_time < FEBRUARY + timedelta(days=DAYS)]
    bundle = load_bundle(world.bundles / version)
    replace(world, bundle=bundle).answer(rows, with_outcomes=False)


def _look(world: World, monitoring: Monitoring) -> Finding:
    now = FEBRUARY + timedelta(days=DAYS)
    found = run_probation(world.engine, world.bundles, monitoring, now, outcomes=False)
    assert found is not None
    return found


def test_an_honest_retrain_stays_and_its_figures_are_told(
    world: World, made: Make, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = promote_by_retrain(world, made(1.0), FEBRUARY)
    _serve(world, version, february)
    found = _look(world, monitoring)

    assert found.rolled_back_to is None
    for told in ("it failed 0 of 0 requests", "total variation", "rank correlation",
                 "its estimated loss is"):  # fmt: skip
        assert told in found.reason


def test_answers_upside_down_go_back(
    world: World, made: Make, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = promote_by_retrain(world, made(-1.0), FEBRUARY)
    _serve(world, version, february)
    found = _look(world, monitoring)

    assert found.rolled_back_to == world.bundle.version
    assert "beyond" in found.reason
    assert "rank 0.2" in found.reason
    with world.engine.connect() as connection:
        current = champion(connection)
    assert current is not None
    assert current.version == world.bundle.version


def test_an_overconfident_model_goes_back_by_its_estimated_loss(
    world: World, made: Make, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = promote_by_retrain(world, made(8.0), FEBRUARY)
    _serve(world, version, february)
    only = monitoring.probation.model_copy(update={"shift": None})
    found = _look(world, monitoring.model_copy(update={"probation": only}))

    assert found.rolled_back_to == world.bundle.version
    assert "its estimated loss is" in found.reason
    assert "more than 35%" in found.reason


def test_few_rows_and_missing_golden_rows_are_told(
    world: World, made: Make, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = promote_by_retrain(world, made(1.0, golden=False), FEBRUARY)
    assert "it has answered no row" in _look(world, monitoring).reason
    _serve(world, version, february.iloc[:40])
    told = _look(world, monitoring).reason

    assert "its answers are not compared: 40 rows, 500 asked for" in told
    assert "it has no golden rows to measure by" in told


def test_everything_can_be_switched_off(
    world: World, made: Make, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = promote_by_retrain(world, made(-1.0), FEBRUARY)
    _serve(world, version, february)
    off = Probation(vitals=VitalsLimits(errors=None, latency=None), shift=None, estimate=None)

    assert _look(world, monitoring.model_copy(update={"probation": off})).signs == ()


def test_a_version_that_the_service_never_serves_goes_back(
    world: World, made: Make, monitoring: Monitoring
) -> None:
    promote_by_retrain(world, made(1.0), FEBRUARY)
    times = json.dumps([20, *[0] * len(SECONDS)])
    rows = [
        {"model_version": world.bundle.version, "since": FEBRUARY + minute * MINUTE,
         "until": FEBRUARY + (minute + 1) * MINUTE, "requests": 20, "rows": 20, "failed": 0,
         "not_finite": 0, "times": times, "request_seconds": 0.1, "model_seconds": 0.01}
        for minute in range(-5, 2)
    ]  # fmt: skip
    with write_transaction(world.engine) as connection:
        connection.execute(insert(vitals), rows)
    assert _look(world, monitoring).rolled_back_to is None

    later = [{**row, "since": row["since"] + 8 * MINUTE, "until": row["until"] + 8 * MINUTE}
             for row in rows]  # fmt: skip
    with write_transaction(world.engine) as connection:
        connection.execute(insert(vitals), later)
    found = _look(world, monitoring)
    assert found.rolled_back_to == world.bundle.version
    assert "the service cannot load it" in found.reason


def test_a_damaged_bundle_does_not_hide_the_other_signs(
    world: World, made: Make, monitoring: Monitoring
) -> None:
    version = promote_by_retrain(world, made(1.0), FEBRUARY)
    (world.bundles / version / "schema.json").write_text("{}")
    told = _look(world, monitoring).reason

    assert "it failed 0 of 0 requests" in told
    assert "its answers are not compared: schema.json" in told


def test_what_a_person_promoted_is_not_looked_at(
    world: World, made: Make, monitoring: Monitoring
) -> None:
    version = register(world.engine, world.bundles, made(-1.0), FEBRUARY, {})
    with write_transaction(world.engine) as connection:
        promote(connection, version, actor="somebody", reason="", now=FEBRUARY)

    assert run_probation(world.engine, world.bundles, monitoring, FEBRUARY) is None
