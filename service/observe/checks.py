"""Gauges of monitoring's checks: that it runs, whether it alarms, how good answers may be.

A scheduler that has stopped is noticed by whoever reads them.
"""

import json
from collections.abc import Mapping
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy import Connection, Row, select

from contracts.tables import checks

# Estimates are settled once their outcomes are mature, so the newest settled check is older.
LOOKED_AT = 40

_ESTIMATED = (
    ("perennial_check_estimated", "Performance that the newest check estimates", "value"),
    ("perennial_check_estimated_low", "Lower end of the estimate's interval", "low"),
    ("perennial_check_estimated_high", "Upper end of the estimate's interval", "high"),
    ("perennial_check_usual", "The same figure out of sample at training", "usual"),
)

# Columns of the newest check's row; null = not judged.
_JUDGED = (
    ("perennial_check_rows", "Predictions in the newest check's window", "rows"),
    ("perennial_check_outcomes", "Outcomes that the champion has not learned", "outcomes"),
    ("perennial_check_drift_share", "Share of the features whose change is named", "drift_share"),
    ("perennial_check_performance_t", "Daily loss beyond expectation, t over days",
     "performance_t"),
)  # fmt: skip


def check_gauges(connection: Connection) -> list[Metric]:
    """Of the newest checks; without samples if there was none."""
    query = select(checks).order_by(checks.c.checked_at.desc()).limit(LOOKED_AT)
    rows = connection.execute(query).all()
    found = [json.loads(row.findings) for row in rows]
    when = GaugeMetricFamily(
        "perennial_check_timestamp_seconds", "When monitoring's newest check was, since 1970"
    )
    alarm = GaugeMetricFamily("perennial_check_alarm", "1 = monitoring's newest check alarms")
    worse = GaugeMetricFamily(
        "perennial_check_worse", "1 = the newest check sees worse performance than expected"
    )
    if rows:
        when.add_metric([], rows[0].checked_at.timestamp())
        alarm.add_metric([], float(found[0].get("alarm", False)))
        worse.add_metric([], float(found[0].get("wish") == "performance"))
    judged = _judged(rows[0] if rows else None)
    newest = found[0] if found else {}
    return [when, alarm, worse, *judged, *_estimated(newest), *_settled(found)]


def _judged(newest: Row[Any] | None) -> list[Metric]:
    families: list[Metric] = []
    for name, text, column in _JUDGED:
        family = GaugeMetricFamily(name, text)
        value = getattr(newest, column, None)
        if value is not None:
            family.add_metric([], value)
        families.append(family)
    return families


def _estimated(newest: Mapping[str, Any]) -> list[Metric]:
    figures = (newest.get("estimated") or {}).get("figures", {})
    families: list[Metric] = []
    for name, text, key in _ESTIMATED:
        family = GaugeMetricFamily(name, text, labels=["figure"])
        for figure, estimate in figures.items():
            if estimate.get(key) is not None:
                family.add_metric([figure], estimate[key])
        families.append(family)
    return families


def _settled(found: list[Any]) -> list[Metric]:
    """Of the newest check whose outcomes have come: what they brought, and how far off it was."""
    realised = GaugeMetricFamily(
        "perennial_check_realised", "Performance that a check's outcomes brought", labels=["figure"]
    )
    missed = GaugeMetricFamily(
        "perennial_check_estimate_error", "The same minus what was estimated", labels=["figure"]
    )
    settled = next((each for each in found if each.get("realised")), None)
    if settled is not None:
        for figure, value in settled["realised"]["figures"].items():
            realised.add_metric([figure], value)
            if figure in settled["estimated"]["figures"]:
                estimate = settled["estimated"]["figures"][figure]["value"]
                missed.add_metric([figure], value - estimate)
    return [realised, missed]
