"""What pages read with few and quick queries is what the slow way would read."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert

from contracts.database import make_engine, write_transaction
from contracts.migrate import migrate
from contracts.tables import checks, vitals
from service.overview.read import read_traffic
from service.queries import list_check_lines, list_checks
from tests.postgresql import temporary_postgresql

NOW = datetime(2026, 3, 1, 12, 34, 56, 789_000, tzinfo=UTC)
FINDINGS = [
    "{}",
    '{"inputs": null}',
    '{"inputs": {}}',
    '{"inputs": {"state": "alarm", "p": 0.1}}',
    '{"inputs": {"state": "watch", "p": NaN}}',
    '{"harm": {"state": "other", "of": "\\u0000 \\ud800"}, "inputs": {"state": "ok"}}',
]


def test_the_list_of_checks_tells_the_same_without_findings(engine: Engine) -> None:
    _keep(engine, FINDINGS)
    with engine.connect() as connection:
        whole, lines = list_checks(connection), list_check_lines(connection)

    assert [{k: v for k, v in one.items() if k != "findings"} for one in whole] == lines
    with engine.connect() as connection:
        assert list_check_lines(connection, 2) == lines[:2]
    assert [one["state"] for one in lines] == ["ok", "watch", "alarm"] + 3 * ["not judged"]


def test_traffic_is_added_up_by_half_hours(engine: Engine) -> None:
    _count(engine)


@pytest.mark.slow
def test_traffic_is_added_up_alike_on_postgresql() -> None:
    with temporary_postgresql() as url:
        engine = make_engine(url)
        migrate(engine)
        _count(engine)
        _keep(engine, FINDINGS)
        with engine.connect() as connection:
            assert len(list_check_lines(connection)) == len(FINDINGS)
        engine.dispose()


def _count(engine: Engine) -> None:
    ages = {1: 5, 29: 7, 31: 11, 61: 13, 24 * 60 - 1: 17, 24 * 60 + 1: 1000}  # minutes: requests
    with write_transaction(engine) as connection:
        connection.execute(insert(vitals), [_minute(age, n) for age, n in ages.items()])
    with engine.connect() as connection:
        traffic = read_traffic(connection, NOW)

    assert traffic.requests[-3:] == [13 + 2, 11 + 2, 5 + 7 + 4]
    assert traffic.requests[0] == 17 + 2
    assert sum(traffic.requests) == 53 + 10
    assert (traffic.last_hour, traffic.last_hour_failed) == (23 + 6, 6)
    assert sum(traffic.failed) == 10


def _minute(age: int, requests: int) -> dict[str, object]:
    since = NOW - timedelta(minutes=age)
    return {"model_version": "a", "since": since, "until": since, "requests": requests, "rows": 1,
            "failed": 1, "not_finite": 1, "times": "[]", "request_seconds": 0.0,
            "model_seconds": 0.0}  # fmt: skip


def _keep(engine: Engine, findings: list[str]) -> None:
    rows = [{"check_id": str(i), "checked_at": NOW + timedelta(hours=i), "window_from": NOW,
             "window_to": NOW, "model_version": "a", "rows": 1, "outcomes": 0, "decision": "keep",
             "reason": "a reason", "findings": text}
            for i, text in enumerate(findings)]  # fmt: skip
    assert all(isinstance(json.loads(text), dict) for text in findings)
    with write_transaction(engine) as connection:
        connection.execute(insert(checks), rows)
