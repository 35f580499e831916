"""Retention deletes the oldest rows and nothing that a check or a running retrain still needs."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, func, insert, select

from contracts import audit
from contracts.database import write_transaction
from contracts.monitoring_params import Monitoring, Retention
from contracts.params import ParamsError, load_params
from contracts.tables import (
    audit_log,
    idempotency_keys,
    outcomes,
    predictions,
    shadow_predictions,
)
from monitoring import leases
from monitoring.attempts import LEASE as RETRAIN
from monitoring.deletion import LOCK_SECONDS, MOST_ROWS, next_size
from monitoring.retention import Kept, run_retention
from tests.migrated import migrated_engine

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 90


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """Ten predictions a day for DAYS days, every second one with an outcome."""
    engine = migrated_engine(f"sqlite:///{tmp_path}/perennial.db")
    with write_transaction(engine) as connection:
        fill(connection)
    yield engine
    engine.dispose()


def fill(connection: Connection) -> None:
    rows, known, shadows = [], [], []
    for number in range(10 * DAYS):
        at = NOW - timedelta(hours=2.4 * number + 1)
        answer = {"prediction_id": f"{number:036}", "model_version": "v", "predicted_at": at,
                  "prediction": "1", "probability": 0.5}  # fmt: skip
        rows.append({**answer, "event_time": at, "features": "{}"})
        shadows.append(answer)
        if number % 2:
            known.append({"prediction_id": f"{number:036}", "outcome": "1", "observed_at": at,
                          "recorded_at": at})  # fmt: skip
    keys = [{"owner": "", "key": str(days), "digest": "", "answer": "{}",
             "created_at": NOW - timedelta(days=days)} for days in (1, 80)]  # fmt: skip
    for table, given in ((predictions, rows), (outcomes, known), (shadow_predictions, shadows),
                         (idempotency_keys, keys)):  # fmt: skip
        connection.execute(insert(table), given)


def params(**retention: int) -> Monitoring:
    usual = load_params(Path("params.yaml")).monitoring
    return usual.model_copy(update={"retention": Retention(**retention)})


def keep(engine: Engine, given: Monitoring) -> Kept | None:
    return run_retention(engine, given, lambda: NOW, threading.Event())


def left(engine: Engine) -> list[int]:
    tables = (predictions, outcomes, shadow_predictions, idempotency_keys)
    with engine.connect() as connection:
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables
        ]


def test_nothing_is_deleted_unless_somebody_asks(engine: Engine) -> None:
    assert keep(engine, params()) is None
    assert left(engine) == [900, 450, 900, 2]


def test_rows_beyond_their_age_go_with_all_that_hangs_on_them(engine: Engine) -> None:
    kept = keep(engine, params(days=60))

    assert left(engine) == [600, 300, 600, 1]
    with engine.connect() as connection:
        oldest = connection.execute(select(func.min(predictions.c.event_time))).scalar_one()
    assert oldest > NOW - timedelta(days=60)
    assert str(kept) == ("deleted 300 of 300 predictions from before 2025-12-31 00:00 "
                         "with 150 outcomes")  # fmt: skip
    assert keep(engine, params(days=60)) is not None  # again: nothing is left to do
    assert left(engine)[0] == 600


def test_the_oldest_rows_beyond_a_number_go(engine: Engine) -> None:
    keep(engine, params(rows=400))

    assert left(engine)[:3] == [400, 200, 400]
    with engine.connect() as connection:
        oldest = connection.execute(select(func.min(predictions.c.event_time))).scalar_one()
    assert oldest > NOW - timedelta(days=40, hours=2)


def test_rows_that_a_window_needs_stay_however_many_they_are(engine: Engine) -> None:
    kept = keep(engine, params(rows=10))

    assert left(engine)[0] == 350  # of 35 days, which harm looks back
    assert kept is not None and kept.plan.kept_for_checks == 340
    assert "340 more than allowed stay" in str(kept)


def test_the_stricter_of_age_and_number_counts(engine: Engine) -> None:
    keep(engine, params(days=60, rows=450))
    assert left(engine)[0] == 450
    keep(engine, params(days=40, rows=450))
    assert left(engine)[0] == 400


def test_what_was_deleted_is_in_the_audit_log(engine: Engine) -> None:
    keep(engine, params(days=60))

    with engine.connect() as connection:
        began, ended = connection.execute(select(audit_log)).all()
        assert audit.verify(connection) == []
    assert (began.actor, began.action, ended.action) == (
        "retention", "retention began", "retention ended")  # fmt: skip
    assert json.loads(began.detail) == {"before": "2025-12-31T00:00:00+00:00", "rows": 300}
    told = json.loads(ended.detail)
    assert (told["predictions"], told["outcomes"], told["stopped"]) == (300, 150, None)


def test_a_running_retrain_loses_nothing(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        token = leases.take(connection, RETRAIN, "somebody", leases.utc_now(), leases.LENGTH)
    kept = keep(engine, params(days=60))
    assert kept is not None and "a retrain is running" in str(kept)
    assert left(engine)[0] == 900

    with write_transaction(engine) as connection:
        leases.release(connection, RETRAIN, token)
    keep(engine, params(days=60))
    assert left(engine)[0] == 600


def test_it_stops_when_asked_and_the_next_run_goes_on(engine: Engine) -> None:
    stop = threading.Event()
    stop.set()
    kept = run_retention(engine, params(days=60), lambda: NOW, stop)
    assert kept is not None and kept.stopped == "300 wait for the next run"
    assert left(engine)[0] == 900


def test_two_runs_at_once_do_not_delete_twice_as_much(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        leases.take(connection, "retention", "somebody", leases.utc_now(), leases.LENGTH)
    with pytest.raises(leases.LeaseTakenError, match="retention is already running"):
        keep(engine, params(rows=400))


def test_a_shorter_time_than_the_longest_window_is_refused(tmp_path: Path) -> None:
    text = Path("params.yaml").read_text().replace("days: null   ", "days: 20   ")
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(ParamsError, match=r"retention\.days 20 is less than 35, the longest of"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("rows", "seconds", "expected"),
    [
        pytest.param(200, LOCK_SECONDS / 10, 400, id="fast: at most double"),
        pytest.param(200, LOCK_SECONDS * 4, 50, id="slow: at once"),
        pytest.param(MOST_ROWS, 1e-9, MOST_ROWS, id="never too many"),
        pytest.param(1, 10.0, 1, id="never none"),
    ],
)
def test_a_transaction_is_as_large_as_its_time_allows(
    rows: int, seconds: float, expected: int
) -> None:
    assert next_size(rows, seconds) == expected
