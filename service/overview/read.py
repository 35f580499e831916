"""What the front page tells, read in a handful of small queries; nothing here writes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, extract, func, select

from contracts.registry import champion
from contracts.tables import (
    NEXT_CHECK,
    SCHEDULER,
    leases,
    model_versions,
    predictions,
    retrains,
    stage_changes,
    vitals,
)
from service.queries import newest_checks

PAST_CHECKS = 14
TRAFFIC_HOURS = 24
BINS_AN_HOUR = 2


@dataclass(frozen=True)
class Traffic:
    """Requests of the last day, by half hours, the newest last; and of the last hour."""

    requests: list[int]
    failed: list[int]
    last_hour: int
    last_hour_failed: int


@dataclass(frozen=True)
class Facts:
    """What the database knows at a moment.

    Attributes:
        change: the promotion that made the champion so; None = there is no champion.
        model: its row of model_versions.
        checks: newest ones, oldest first, as service.queries gives them.
        retrain: the newest one.
        scheduler_until: until when monitoring has said that it lives; None = it never ran.
        next_check: when it means to check.
    """

    now: datetime
    change: Row[Any] | None
    model: Row[Any] | None
    has_predictions: bool
    checks: list[dict[str, Any]]
    retrain: Row[Any] | None
    traffic: Traffic
    scheduler_until: datetime | None
    next_check: datetime | None


def read_facts(connection: Connection, now: datetime) -> Facts:
    """All that the front page shows of the database."""
    change = champion(connection)
    return Facts(
        now,
        connection.execute(_last_change()).first() if change else None,
        _model(connection, change.version) if change else None,
        connection.execute(select(predictions.c.prediction_id).limit(1)).first() is not None,
        newest_checks(connection, PAST_CHECKS),
        connection.execute(
            select(retrains).order_by(retrains.c.started_at.desc()).limit(1)
        ).first(),
        read_traffic(connection, now),
        _said(connection, SCHEDULER),
        _said(connection, NEXT_CHECK),
    )


def read_traffic(connection: Connection, now: datetime) -> Traffic:
    """Sums of the minutes that every worker has counted."""
    start, width = now - timedelta(hours=TRAFFIC_HOURS), 3600 // BINS_AN_HOUR
    into = extract("epoch", vitals.c.since) - int(start.timestamp())  # seconds
    bin_start = (into - into % width).label("bin_start")  # the database adds, thousands of rows
    wrong = vitals.c.failed + vitals.c.not_finite
    sums = select(bin_start, func.sum(vitals.c.requests), func.sum(wrong)).group_by(bin_start)
    requests, failed = [0] * (TRAFFIC_HOURS * BINS_AN_HOUR), [0] * (TRAFFIC_HOURS * BINS_AN_HOUR)
    for seconds, answered, lost in connection.execute(sums.where(vitals.c.since >= start)):
        place = min(int(seconds) // width, len(requests) - 1)
        requests[place] += int(answered + lost)
        failed[place] += int(lost)
    hour = BINS_AN_HOUR
    return Traffic(requests, failed, sum(requests[-hour:]), sum(failed[-hour:]))


def _said(connection: Connection, name: str) -> datetime | None:
    query = select(leases.c.expires_at).where(leases.c.name == name)
    return connection.execute(query).scalar_one_or_none()


def _last_change() -> Any:
    return select(stage_changes).order_by(stage_changes.c.change_id.desc()).limit(1)


def _model(connection: Connection, version: str) -> Row[Any] | None:
    query = select(model_versions).where(model_versions.c.version == version)
    return connection.execute(query).one_or_none()
