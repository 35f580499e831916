"""Gauges of monitoring's newest check, so that a scheduler which stopped is noticed elsewhere."""

import json

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import Connection, select

from contracts.tables import checks


def check_gauges(connection: Connection) -> list[Metric]:
    """When the newest check was, and whether it alarmed; without samples if there was none."""
    query = select(checks).order_by(checks.c.checked_at.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    when = GaugeMetricFamily(
        "perennial_check_timestamp_seconds", "When monitoring's newest check was, since 1970"
    )
    alarm = GaugeMetricFamily("perennial_check_alarm", "1 = monitoring's newest check alarms")
    if row is not None:
        when.add_metric([], row.checked_at.timestamp())
        alarm.add_metric([], float(json.loads(row.findings).get("alarm", False)))
    return [when, alarm]
