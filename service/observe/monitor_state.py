"""Gauges of monitoring's scheduler, retrains and rollbacks, from the rows that they leave.

Moments, not ages: what is told stays true while nobody looks, and a rule compares with `time()`.
"""

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import Connection, func, select

from contracts.tables import SCHEDULER, leases, retrains, stage_changes

_RUNNING = retrains.c.finished_at.is_(None)


def monitor_gauges(connection: Connection) -> list[Metric]:
    """Without samples for what has never been."""
    return [
        _alive(connection),
        _ended(connection),
        _counted(connection),
        _running(connection),
        _rolled_back(connection),
    ]


def _alive(connection: Connection) -> Metric:
    family = GaugeMetricFamily(
        "perennial_scheduler_alive_until_timestamp_seconds",
        "Until when the scheduler's newest sign of life holds, since 1970",
    )
    until = connection.execute(
        select(leases.c.expires_at).where(leases.c.name == SCHEDULER)
    ).scalar_one_or_none()
    if until is not None:
        family.add_metric([], until.timestamp())
    return family


def _ended(connection: Connection) -> Metric:
    family = GaugeMetricFamily(
        "perennial_retrain_ended_timestamp_seconds",
        "When the newest retrain ended so, since 1970",
        labels=["state"],
    )
    newest = select(retrains.c.state, func.max(retrains.c.finished_at)).where(~_RUNNING)
    for state, at in connection.execute(newest.group_by(retrains.c.state)):
        family.add_metric([state], at.timestamp())
    return family


def _counted(connection: Connection) -> Metric:
    family = GaugeMetricFamily(
        "perennial_retrains", "Retrains and updates of all time, by what became of them",
        labels=["state"],
    )  # fmt: skip
    query = select(retrains.c.state, func.count()).group_by(retrains.c.state)
    for state, number in connection.execute(query):
        family.add_metric([state], number)
    return family


def _running(connection: Connection) -> Metric:
    family = GaugeMetricFamily(
        "perennial_retrain_running_since_timestamp_seconds",
        "When the retrain began that is not over, since 1970; the oldest of them",
    )
    began = connection.execute(select(func.min(retrains.c.started_at)).where(_RUNNING)).scalar()
    if began is not None:
        family.add_metric([], began.timestamp())
    return family


def _rolled_back(connection: Connection) -> Metric:
    family = GaugeMetricFamily(
        "perennial_rollback_timestamp_seconds",
        "When an earlier version was last made champion again, since 1970",
    )
    newest = select(func.max(stage_changes.c.changed_at)).where(
        stage_changes.c.action == "rollback"
    )
    at = connection.execute(newest).scalar()
    if at is not None:
        family.add_metric([], at.timestamp())
    return family
