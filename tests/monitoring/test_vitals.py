"""Two versions compared by what the service wrote of them, in a real database."""

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, insert, select

from contracts.database import write_transaction
from contracts.monitoring_params import LatencyLimits, VitalsLimits
from contracts.tables import model_versions, vitals
from contracts.vitals import SECONDS
from monitoring.deletion import delete_old_vitals
from monitoring.vitals import Sign, compare, read_vitals

START = datetime(2026, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
FAST, SLOW = 0.002, 0.04
BOTH = VitalsLimits()


def note(
    engine: Engine,
    version: str,
    minute: int,
    requests: int,
    *,
    failed: int = 0,
    not_finite: int = 0,
    seconds: float = FAST,
    model: float = 0.0005,
    rows: int = 1,
    start: datetime = START,
) -> None:
    """What one worker would have written of a minute in which all requests took as long."""
    times = [0] * (len(SECONDS) + 1)
    times[next(i for i, bound in enumerate(SECONDS) if seconds <= bound)] = requests
    row = {
        "model_version": version, "since": start + minute * MINUTE,
        "until": start + (minute + 1) * MINUTE, "requests": requests,
        "rows": requests * rows,
        "failed": failed, "not_finite": not_finite, "times": json.dumps(times),
        "request_seconds": requests * seconds, "model_seconds": requests * model,
    }  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(vitals).values(row))


def judge(engine: Engine, limits: VitalsLimits = BOTH) -> list[Sign]:
    """`new` since the hundredth minute beside `old` before."""
    border, end = START + 100 * MINUTE, START + 200 * MINUTE
    with engine.connect() as connection:
        old = read_vitals(connection, "old", START, border)
        return compare(old, read_vitals(connection, "new", border, end), limits)


def serve(engine: Engine, version: str, minutes: range, **what: float) -> None:
    for minute in minutes:
        note(engine, version, minute, 50, **what)  # type: ignore[arg-type]


def test_a_version_like_the_one_before_is_not_worse(engine: Engine) -> None:
    serve(engine, "old", range(0, 60))
    serve(engine, "new", range(100, 120))
    errors, times = judge(engine)

    assert errors == Sign("it failed 0 of 1000 requests, its predecessor 0 of 3000")
    assert not times.worse
    told = "19 of 20 requests take at most 2.5 ms, with its predecessor at most 2.5 ms; 0 of 10"
    assert told in times.sentence


def test_a_version_that_fails_in_several_minutes_is_worse(engine: Engine) -> None:
    serve(engine, "old", range(0, 60))
    serve(engine, "new", range(100, 104), failed=3, not_finite=2)
    errors = judge(engine)[0]

    assert errors.worse
    assert "it failed 20 of 220 requests, its predecessor 0 of 3000: at least" in errors.sentence


def test_failures_of_one_minute_or_as_before_are_not_worse(engine: Engine) -> None:
    serve(engine, "old", range(0, 60))
    note(engine, "new", 100, 50, failed=50)
    serve(engine, "new", range(101, 110))
    assert not judge(engine)[0].worse

    serve(engine, "old", range(60, 90), not_finite=20)
    serve(engine, "new", range(110, 120), not_finite=15)
    assert not judge(engine)[0].worse


def test_a_version_that_answers_nothing_at_all_is_worse_soon(engine: Engine) -> None:
    serve(engine, "old", range(0, 60))
    for minute in range(100, 103):
        note(engine, "new", minute, 0, failed=4)

    assert judge(engine)[0].worse


def test_without_a_predecessor_errors_are_told_and_not_judged(engine: Engine) -> None:
    serve(engine, "new", range(100, 120), failed=50)
    errors, times = judge(engine)

    assert not errors.worse
    assert "nothing to compare" in errors.sentence
    assert "only 0 answers of its predecessor were timed" in times.sentence


def test_a_slow_model_is_worse(engine: Engine) -> None:
    serve(engine, "old", range(0, 60))
    serve(engine, "new", range(100, 112), seconds=SLOW, model=0.03)
    times = judge(engine)[1]

    assert times.worse
    assert (
        "10 of 10 minutes are slow, and the model's own work is 29.5 of 38.0 ms" in times.sentence
    )


def test_a_busy_machine_is_not_a_slow_model(engine: Engine) -> None:
    serve(engine, "old", range(0, 60))
    serve(engine, "new", range(100, 112), seconds=SLOW)
    times = judge(engine)[1]

    assert not times.worse
    assert "the machine is busy" in times.sentence


def test_larger_requests_are_not_a_slow_model(engine: Engine) -> None:
    serve(engine, "old", range(0, 60))
    for minute in range(100, 112):
        note(engine, "new", minute, 50, seconds=0.1, model=0.05, rows=100)
    times = judge(engine)[1]

    assert not times.worse
    assert "more rows at once" in times.sentence


def test_a_few_slow_minutes_are_not_enough(engine: Engine) -> None:
    serve(engine, "old", range(0, 60))
    serve(engine, "new", range(100, 110))
    serve(engine, "new", range(110, 115), seconds=SLOW, model=0.03)
    assert not judge(engine)[1].worse

    serve(engine, "new", range(115, 120), seconds=SLOW, model=0.03)  # and now the newest ten are
    assert judge(engine)[1].worse


def test_a_ratio_alone_is_not_enough(engine: Engine) -> None:
    serve(engine, "old", range(0, 60), seconds=0.0004, model=0.0001)
    serve(engine, "new", range(100, 112), seconds=0.004, model=0.003)

    assert not judge(engine)[1].worse


def test_minutes_with_few_requests_are_joined(engine: Engine) -> None:
    serve(engine, "old", range(0, 60))
    for minute in range(100, 140):
        note(engine, "new", minute, 5, seconds=SLOW, model=0.03)
    assert judge(engine)[1].worse
    few = LatencyLimits(min_requests=21)
    assert "8 minutes of at least 21" in judge(engine, VitalsLimits(latency=few))[1].sentence


def test_each_judgement_can_be_switched_off(engine: Engine) -> None:
    assert len(judge(engine, VitalsLimits(errors=None))) == 1
    assert judge(engine, VitalsLimits(errors=None, latency=None)) == []


def test_workers_add_up_and_recalibrations_are_the_same_model(engine: Engine) -> None:
    made = {"registered_at": START, "trained_from": START, "trained_until": START, "metrics": "{}"}
    rows = [
        {"version": "new", "made": "{}", **made},
        {"version": "moved", "made": json.dumps({"recalibrates": "new"}), **made},
    ]
    with write_transaction(engine) as connection:
        connection.execute(insert(model_versions), rows)
    for version in ("new", "new", "moved"):
        note(engine, version, 100, 10, failed=1)
    with engine.connect() as connection:
        found = [read_vitals(connection, version, START + 100 * MINUTE, START + 101 * MINUTE)
                 for version in ("new", "moved")]  # fmt: skip

    assert [one.answered for one in found] == [30, 30]
    assert [one.unanswered.tolist() for one in found] == [[3], [3]]


def test_old_rows_are_deleted(engine: Engine) -> None:
    for minute in range(10):
        note(engine, "old", minute, 1)

    assert delete_old_vitals(engine, START + 4 * MINUTE) == 4
    with engine.connect() as connection:
        assert len(connection.execute(select(vitals)).all()) == 6
