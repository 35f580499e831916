"""Whatever was logged, a check ends, names what is wrong as what it is, and judges the rest."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import insert, select

from contracts.bundle import load_bundle, save_bundle
from contracts.database import write_transaction
from contracts.monitoring_params import Monitoring
from contracts.params import Params
from contracts.registry import promote, register
from contracts.tables import checks, outcomes, predictions
from monitoring.check import Check, Draw, run_check
from monitoring.reports import write_report
from tests.monitoring.conftest import FEBRUARY, World, blank_page

WEEK = FEBRUARY + timedelta(days=7)
Rows = list[dict[str, Any]]


@pytest.fixture
def monitoring(params: Params) -> Monitoring:
    return params.monitoring


@pytest.fixture
def week(february: pd.DataFrame) -> pd.DataFrame:
    return february[february.event_time < WEEK]


def _log(
    world: World, flights: pd.DataFrame, change: Callable[[Rows], None] = lambda rows: None
) -> list[str]:
    """Log flights, their features changed by hand."""
    ids = world.answer(flights)
    with write_transaction(world.engine) as connection:
        logged = [row._asdict() for row in connection.execute(select(predictions))]
        rows = [json.loads(row["features"]) for row in logged]
        change(rows)
        connection.execute(predictions.delete())
        both = zip(logged, rows, strict=True)
        again = [{**row, "features": json.dumps(features)} for row, features in both]
        connection.execute(insert(predictions), again)
    return ids


def _check(world: World, monitoring: Monitoring, draw: Draw = write_report) -> Check:
    check = run_check(world.engine, world.bundles, world.reports, monitoring, WEEK, draw=draw)
    with world.engine.connect() as connection:
        recorded = connection.execute(select(checks.c.reason)).scalars().all()
    assert recorded == [check.decision.reason]
    return check


def _set(column: str, value: Any) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        for row in rows:
            row[column] = value

    return change


def _drop(column: str) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        for row in rows:
            del row[column]

    return change


def _every(step: int, column: str, value: Any) -> Callable[[Rows], None]:
    def change(rows: Rows) -> None:
        for row in rows[::step]:
            row[column] = value

    return change


LONG = pytest.mark.long


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "column", "kind"),
    [
        pytest.param(_set("temp", None), "temp", "missing", id="all null"),
        pytest.param(_set("temp", float("nan")), "temp", "missing", id="all NaN", marks=LONG),
        pytest.param(
            _set("carrier", None), "carrier", "missing", id="a text column all null", marks=LONG
        ),
        pytest.param(
            _drop("distance"), "distance", "missing", id="a number that is not logged", marks=LONG
        ),
        pytest.param(_drop("carrier"), "carrier", "missing", id="a text that is not logged"),
        pytest.param(_set("distance", 500.0), "distance", "stuck", id="constant"),
        pytest.param(_set("dest", "ATL"), "dest", "stuck", id="a constant text", marks=LONG),
        pytest.param(
            _every(3, "distance", float("inf")), "distance", "unlike", id="infinite", marks=LONG
        ),
        pytest.param(_every(3, "distance", -1e308), "distance", "unlike", id="huge"),
        pytest.param(
            _every(3, "distance", 10**400), "distance", "unlike", id="beyond floats", marks=LONG
        ),
        pytest.param(
            _every(3, "distance", "far"),
            "distance",
            "missing",
            id="a text for a number",
            marks=LONG,
        ),
        pytest.param(
            _every(3, "carrier", 7), "carrier", "missing", id="a number for a text", marks=LONG
        ),
        pytest.param(_every(3, "carrier", ["UA"]), "carrier", "missing", id="a list"),
        pytest.param(
            _every(3, "distance", {"km": 5}), "distance", "missing", id="an object", marks=LONG
        ),
        pytest.param(_every(3, "carrier", "☃"), "carrier", "unseen", id="a new code"),
    ],
)
def test_one_bad_column_is_a_finding_of_its_own(
    world: World,
    week: pd.DataFrame,
    monitoring: Monitoring,
    change: Callable[[Rows], None],
    column: str,
    kind: str,
) -> None:
    _log(world, week, change)
    check = _check(world, monitoring, blank_page)

    assert check.inputs is not None
    assert (column, kind) in {(fault.column, fault.kind) for fault in check.inputs.faults}
    assert {fault.column for fault in check.inputs.faults} == {column}
    assert check.inputs.p is not None  # the others are compared
    assert check.performance.rows > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [_set("temp", None), _drop("carrier"), _every(3, "distance", 10**400),
     _every(3, "distance", {"km": 5})],
    ids=["all null", "a text that is not logged", "beyond floats", "an object"],
)  # fmt: skip
def test_a_bad_column_keeps_no_page_from_being_drawn(
    world: World, week: pd.DataFrame, monitoring: Monitoring, change: Callable[[Rows], None]
) -> None:
    _log(world, week, change)
    check = _check(world, monitoring)

    assert check.report is not None
    assert (world.reports / check.report).stat().st_size > 100_000


@pytest.mark.slow
def test_a_new_column_is_told(world: World, week: pd.DataFrame, monitoring: Monitoring) -> None:
    _log(world, week, _set("promotion", 3))
    check = _check(world, monitoring)

    assert check.inputs is not None
    assert "promotion: logged, but the champion does not know it" in check.decision.reason
    assert not check.inputs.faults


def test_no_rows_are_not_enough(world: World, monitoring: Monitoring) -> None:
    check = _check(world, monitoring)

    assert "not enough data: 0 predictions" in check.decision.reason
    assert "performance not judged" in check.decision.reason


def test_an_empty_window_after_rows_is_not_enough(
    world: World, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    world.answer(february[february.event_time >= WEEK])
    check = _check(world, monitoring)

    assert "not enough data: 0 predictions" in check.decision.reason


def test_one_row_is_not_enough(world: World, week: pd.DataFrame, monitoring: Monitoring) -> None:
    world.answer(week.head(1))
    check = _check(world, monitoring)

    assert "not enough data: 1 predictions" in check.decision.reason


@pytest.mark.slow
def test_a_single_row_is_not_judged_where_one_would_do(
    world: World, week: pd.DataFrame, monitoring: Monitoring
) -> None:
    low = monitoring.policy.model_copy(update={"min_rows": 1})
    world.answer(week.head(1))
    check = _check(world, monitoring.model_copy(update={"policy": low}))

    assert check.inputs is not None
    assert check.inputs.state == "not enough data"


@pytest.mark.slow
def test_half_of_the_labels_are_enough(
    world: World, week: pd.DataFrame, monitoring: Monitoring
) -> None:
    ids = _log(world, week)
    with write_transaction(world.engine) as connection:
        gone = set(ids[::2])
        connection.execute(outcomes.delete().where(outcomes.c.prediction_id.in_(gone)))
        kept = connection.execute(select(outcomes.c.outcome_id)).all()
    check = _check(world, monitoring)

    assert check.performance.rows == check.evidence.outcomes == len(kept)
    assert 0 < len(kept) < len(week) / 2 + 1
    assert "loss" in check.estimated.figures


@pytest.mark.slow
def test_rows_of_another_version_are_not_taken_for_the_champions(
    world: World, week: pd.DataFrame, monitoring: Monitoring
) -> None:
    _log(world, week)
    with write_transaction(world.engine) as connection:
        connection.execute(predictions.update().values(model_version="another"))
    check = _check(world, monitoring)

    assert check.inputs is not None
    assert check.inputs.p is not None  # inputs are whoever's
    assert "(answer)" not in {each.column for each in check.inputs.compared}
    assert check.performance.rows == 0
    assert "only 0 rows of the champion" in check.decision.reason


@pytest.mark.slow
def test_a_reference_of_nullable_and_unsigned_types_is_read(
    world: World, week: pd.DataFrame, monitoring: Monitoring, tmp_path: Path
) -> None:
    before = pd.read_parquet(io.BytesIO(world.bundle.files["reference.parquet"]))
    gaps = before.weekday.mask(np.arange(len(before)) % 50 == 0)
    typed = before.assign(
        distance=before.distance.astype("uint16"), sched_dep=before.sched_dep.astype("uint64"),
        weekday=gaps.astype("Int8"), temp=before.temp.astype("Float64"),
        carrier=before.carrier.astype("category"), origin=before.origin.astype("string"),
    )  # fmt: skip
    files = {**world.bundle.files, "reference.parquet": typed.to_parquet()}
    files.pop("manifest.json", None)
    facts = {name: world.bundle.manifest[name] for name in ("trained_from", "trained_until")}
    save_bundle(tmp_path / "typed", files, facts)
    version = register(world.engine, world.bundles, tmp_path / "typed", FEBRUARY, {})
    with write_transaction(world.engine) as connection:
        promote(connection, version, actor="test", reason="types", now=FEBRUARY)
    world = replace(world, bundle=load_bundle(world.bundles / version))
    _log(world, week, _set("dest", None))
    check = _check(world, monitoring)

    assert check.inputs is not None
    assert [fault.column for fault in check.inputs.faults] == ["dest"]
    assert check.inputs.p is not None
    assert check.report is not None
