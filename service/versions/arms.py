"""How the versions that a rule divides requests among have done since it began; reads only."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, Subquery, Table, func, select

from contracts.schema import Target
from contracts.tables import outcomes, predictions, shadow_predictions
from contracts.traffic import TrafficChange
from service.observe.judging import judge

NEWEST_ROWS = 50_000  # of all versions together; older ones are left out
NORMAL_95 = 1.96


def results_by_arm(
    connection: Connection, traffic: TrafficChange, champion: str, target: Target
) -> list[dict[str, Any]]:
    """The champion's and the other version's rows, outcomes and losses, in this order.

    Args:
        target: of both versions.
    """
    rule, since = traffic.rule, traffic.changed_at
    if rule.version is None:
        return []
    table = shadow_predictions if rule.mode == "shadow" else predictions
    return [
        {"role": "champion", **_result(connection, predictions, champion, since, target)},
        {"role": rule.mode, **_result(connection, table, rule.version, since, target)},
    ]


def _result(
    connection: Connection, table: Table, version: str, since: datetime, target: Target
) -> dict[str, Any]:
    newest = _newest(table, version, since)
    numbers = _numbers(connection, newest, target)
    rows = sum(numbers.values())
    positives = numbers[json.dumps(target.classes[1])] if target.task == "binary" else None
    return {
        "version": version,
        "rows": rows,
        **_judge(_with_outcomes(connection, newest), version, target),
        "predicted_positives": None if positives is None or not rows else positives / rows,
    }


def _newest(table: Table, version: str, since: datetime) -> Subquery:
    """A version's among the newest rows; ids begin with their time, so the primary key finds them.

    The limit stands before the version, so that a rare version does not cost a long search.
    """
    wanted = ("prediction_id", "model_version", "prediction", "probability", "scores")
    recent = (table.c.prediction_id >= _first_id(since)) & (table.c.predicted_at >= since)
    query = select(*(table.c[name] for name in wanted)).where(recent)
    rows = query.order_by(table.c.prediction_id.desc()).limit(NEWEST_ROWS).subquery()
    return select(rows).where(rows.c.model_version == version).subquery()


def _first_id(moment: datetime) -> str:
    """The smallest UUIDv7 of a moment."""
    milliseconds = int(moment.astimezone(UTC).timestamp() * 1000)
    digits = f"{max(milliseconds, 0):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


def _numbers(connection: Connection, newest: Subquery, target: Target) -> Counter[str]:
    """Rows by predicted class as JSON; under "" if there are no classes."""
    label = newest.c.prediction
    if target.task == "regression":
        number = connection.execute(select(func.count()).select_from(newest)).scalar_one()
        return Counter({"": number})
    query = select(label, func.count()).group_by(label)
    return Counter(dict(list(connection.execute(query))))


def _with_outcomes(connection: Connection, newest: Subquery) -> list[Row[Any]]:
    """Rows whose outcome is known, with their latest one."""
    query = (
        select(newest, outcomes.c.outcome, outcomes.c.outcome_id, outcomes.c.recorded_at)
        .join(outcomes, outcomes.c.prediction_id == newest.c.prediction_id)
        .order_by(outcomes.c.outcome_id)
    )
    return list({row.prediction_id: row for row in connection.execute(query)}.values())


def _judge(rows: Sequence[Row[Any]], version: str, target: Target) -> dict[str, Any]:
    judged = judge(target, version, rows)
    rights = [one.right for one in judged if one.right is not None]
    return {
        "outcomes": len(judged),
        "loss": _mean(np.array([one.loss for one in judged])) if judged else None,
        "accuracy": sum(rights) / len(rights) if rights else None,
    }


def _mean(losses: NDArray[np.float64]) -> dict[str, float | None]:
    """The mean and its 95 % interval by the normal approximation; None for a single row."""
    mean, rows = float(losses.mean()), len(losses)
    if rows < 2:
        return {"mean": mean, "low": None, "high": None}
    reach = NORMAL_95 * float(losses.std(ddof=1)) / rows**0.5
    return {"mean": mean, "low": mean - reach, "high": mean + reach}
