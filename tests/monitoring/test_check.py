"""A check compares real windows with Evidently, records what it found and breaks on nothing."""

import json
import warnings
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import insert, select

from contracts.database import write_transaction
from contracts.monitoring_params import Monitoring
from contracts.params import Params
from contracts.schema import FeatureSchema
from contracts.tables import checks, retrains
from monitoring.check import Check, NoChampionError, find_end, run_check
from tests.migrated import migrated_engine
from tests.monitoring.conftest import FEBRUARY, World

pytestmark = pytest.mark.filterwarnings("ignore:::evidently", "ignore:::plotly", "ignore:::scipy")

WEEK = FEBRUARY + timedelta(days=7)


@pytest.fixture
def monitoring(params: Params) -> Monitoring:
    return params.monitoring


def _check(world: World, monitoring: Monitoring) -> Check:
    return run_check(world.engine, world.bundles, world.reports, monitoring, WEEK)


def test_check_writes_row_and_report(
    world: World, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    world.answer(february)
    check = _check(world, monitoring)

    with world.engine.connect() as connection:
        row = connection.execute(select(checks)).one()
    assert (row.check_id, row.report, row.reason) == (
        check.check_id, check.report, check.decision.reason,
    )  # fmt: skip
    assert (row.window_from, row.window_to) == (FEBRUARY, WEEK)
    assert row.rows == (february.event_time < WEEK).sum()
    assert row.drift_share is not None
    assert json.loads(row.findings)["inputs"]["state"] == check.inputs.state
    found = json.loads(row.findings)
    assert found["inputs"]["compared"][0]["effect"] > 0
    assert found["inputs"]["p"] > 0
    low, high = found["performance"]["excess_interval"]
    assert low < found["performance"]["excess"] < high
    drawn = found["drift"]
    assert len(drawn["columns"]) == 11
    assert set(drawn["columns"]) == {*drawn["influence"], "probability"}
    assert set(check.inputs.causes) <= set(drawn["influence"])
    assert drawn["versions"] == {world.bundle.version: 1.0}
    assert 1_000_000 < (world.reports / check.report).stat().st_size < 5_000_000
    assert [path.name for path in world.reports.iterdir()] == [check.report]


def test_too_few_rows_are_not_judged(
    world: World, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    world.answer(february.head(20))
    check = _check(world, monitoring)

    assert check.decision.action == "keep"
    assert "not enough data: 20 predictions" in check.decision.reason
    assert check.report is None


def test_worse_performance_asks_for_a_retrain(
    world: World, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    monitoring = monitoring.model_copy(
        update={
            "policy": monitoring.policy.model_copy(
                update={"min_rows": 100_000, "min_outcome_days": 7}
            )
        }
    )
    world.answer(february.assign(late=np.where(february.index % 2, 1.0, 0.0)))
    check = _check(world, monitoring)

    assert check.decision.action == "retrain"
    assert "above expectation" in check.decision.reason


@pytest.mark.parametrize(
    ("asked", "end"),
    [
        (None, WEEK),
        ("2013-02-04", FEBRUARY + timedelta(days=3)),
        ("2013-02-04T06:00+01:00", FEBRUARY + timedelta(days=3, hours=5)),
    ],
    ids=["now", "a day", "a time of another zone"],
)
def test_a_check_ends_where_it_is_asked_to(asked: str | None, end: datetime) -> None:
    assert find_end(asked, WEEK) == end


@pytest.mark.parametrize(("asked", "why"), [("monday", "not a time"), ("2013-02-09", "lies ahead")])
def test_a_check_cannot_end_anywhere(asked: str, why: str) -> None:
    with pytest.raises(SystemExit, match=why):
        find_end(asked, WEEK)


def test_a_window_of_so_many_rows_is_checked(
    world: World, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    world.answer(february)
    check = _check(world, monitoring.model_copy(update={"window_rows": 200}))

    assert 200 <= check.evidence.rows < 220
    assert f"not enough data: {check.evidence.rows} predictions" in check.decision.reason


def test_without_champion_the_remedy_is_named(tmp_path: Path, monitoring: Monitoring) -> None:
    engine = migrated_engine(f"sqlite:///{tmp_path}/empty.db")

    with pytest.raises(NoChampionError, match="contracts.registry promote"):
        run_check(engine, tmp_path, tmp_path, monitoring, WEEK)
    engine.dispose()


@pytest.fixture(scope="module")
def compare() -> Callable[..., dict[str, Any]]:
    """Imported when it is asked for: Evidently takes seconds, in every process that collects."""
    with warnings.catch_warnings():
        # Its own imports warn; monitoring runs it in a process of its own.
        warnings.simplefilter("ignore")
        from monitoring.drift import compare
    return compare


@pytest.fixture(scope="module")
def reference(january: pd.DataFrame, schema: FeatureSchema) -> pd.DataFrame:
    random = np.random.default_rng(0)
    return january.assign(**{schema.answers[1]: random.uniform(0, 1, len(january))})


def test_only_the_shifted_column_has_drifted(
    compare: Callable[..., dict[str, Any]], reference: pd.DataFrame, world: World, tmp_path: Path
) -> None:
    shifted = reference.assign(distance=reference.distance * 1.609)
    schema = world.bundle.schema
    findings = compare(reference, shifted, schema, schema.names, tmp_path / "report.html")

    drifted = [name for name, c in findings["columns"].items() if c["drifted"]]
    assert drifted == ["distance"]
    assert findings["share"] == pytest.approx(1 / 17)


@pytest.mark.slow
def test_unusable_columns_are_reported_not_fatal(
    compare: Callable[..., dict[str, Any]], reference: pd.DataFrame, world: World, tmp_path: Path
) -> None:
    broken = reference.assign(temp=np.nan, carrier=None).drop(columns=["dewp"])
    schema = world.bundle.schema
    findings = compare(reference, broken, schema, schema.names, tmp_path / "report.html")

    assert findings["not_judged"] == {
        "temp": "all values missing in the current window",
        "carrier": "all values missing in the current window",
        "dewp": "absent in the current window",
    }
    assert findings["missing"]["temp"][1] == 1.0
    assert len(findings["columns"]) == 14
    assert findings["vanished"] == ["temp", "dewp", "carrier"]
    assert findings["share"] == pytest.approx(3 / 17)


@pytest.mark.slow
def test_text_from_requests_is_escaped_in_the_report(
    compare: Callable[..., dict[str, Any]], reference: pd.DataFrame, world: World, tmp_path: Path
) -> None:
    attack = "<script>alert(1)</script>"
    report = tmp_path / "report.html"
    attacked = reference.assign(carrier=attack)
    compare(reference, attacked, world.bundle.schema, ["carrier"], report)

    assert attack not in report.read_text()
    assert "script\\u203aalert(1)" in report.read_text()  # it is there, as text


def test_retrains_that_did_not_help_are_counted_since_the_last_that_did(
    world: World, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    low = monitoring.policy.model_copy(update={"min_rows": 100_000, "min_outcome_days": 7})
    monitoring = monitoring.model_copy(update={"policy": low})
    world.answer(february.assign(late=np.where(february.index % 2, 1.0, 0.0)))
    states = ["failed", "promoted", "rejected", "failed"]
    with write_transaction(world.engine) as connection:
        for number, state in enumerate(states):
            at = FEBRUARY - timedelta(days=50 - number)
            connection.execute(insert(retrains).values(
                retrain_id=str(number), started_at=at, finished_at=at, state=state, reason="a test",
                champion_version="v", verdict="{}",
            ))  # fmt: skip
    check = _check(world, monitoring)

    assert check.decision.action == "keep"
    assert "cool-down of 112 days; the last 2 did not help" in check.decision.reason
