"""What only live requests tell of a canary: who was asked, who answered, and what.

A request that is refused or fails leaves no row. But who is asked is drawn by a hash that rows
repeat (contracts/traffic.py), so that requests which the canary did not answer are missed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, func, select

from contracts.bundle import Bundle
from contracts.tables import predictions
from contracts.traffic import Arm, Rule, arm_of, entity_key
from monitoring.windows import FACTS, as_frame

MAX_ROWS = 50_000
SETTLED_AFTER = timedelta(seconds=5)  # by then every worker follows a rule
EARLIEST = timedelta(days=1)  # an event time may lie before its answer
CLOSE = 1e-4  # answers that differ by less are the same, on whatever processor


@dataclass(frozen=True)
class Live:
    """What was seen since the rule is in force; all but `rows` of the newest MAX_ROWS.

    Attributes:
        rows: that the canary has answered.
        champions, own: requests that were drawn for either one, and are in rows; with an entity,
            its values.
        answered: of `own`, by the canary; the rest by the champion, where a worker cannot load it,
            or a request named its version.
        compared, unlike: rows whose answer its bundle gave again, and gave otherwise.
    """

    rows: int = 0
    champions: int = 0
    own: int = 0
    answered: int = 0
    compared: int = 0
    unlike: int = 0


def look(
    connection: Connection, rule: Rule, canary: Bundle, since: datetime, until: datetime
) -> Live:
    """Read what was answered in [since, until)."""
    begun = since + SETTLED_AFTER
    lived = _lived(begun, until)
    own = lived & (predictions.c.model_version == canary.version)
    count = select(func.count()).select_from(predictions).where(own)
    number = connection.execute(count).scalar_one()
    columns = (*FACTS, predictions.c.prediction_id, predictions.c.predicted_at,
               predictions.c.model_version, predictions.c.features)  # fmt: skip
    newest = select(*columns).where(lived).order_by(predictions.c.event_time.desc())
    rows = list(connection.execute(newest.limit(MAX_ROWS)))
    drawn = _drawn(rows, rule)
    answered = [by_canary for arm, by_canary in drawn if arm == "other"]
    own_rows = [row for row in rows if row.model_version == canary.version]
    return Live(
        rows=number,
        champions=len(drawn) - len(answered),
        own=len(answered),
        answered=sum(answered),
        compared=len(own_rows),
        unlike=_count_unlike(own_rows, canary),
    )


def _lived(start: datetime, end: datetime) -> ColumnElement[bool]:
    times = predictions.c.predicted_at
    return (
        (predictions.c.event_time >= start - EARLIEST)  # which has an index
        & (times >= start)
        & (times < end)
    )


def _drawn(rows: Sequence[Row[Any]], rule: Rule) -> list[tuple[Arm, bool]]:
    """The arm of each request, or entity, and whether the canary has answered it.

    A request is drawn by its first row. Rows that were answered in one instant may be of one
    request, so only the first of them counts.
    """
    first: dict[datetime, Row[Any]] = {}
    for row in sorted(rows, key=lambda row: str(row.prediction_id)):
        first.setdefault(row.predicted_at, row)
    by: dict[str, set[str]] = {}
    for row in first.values():
        key = entity_key(row.features, rule.entity) if rule.entity else row.prediction_id
        by.setdefault(key, set()).add(row.model_version)
    return [(arm_of(rule, key), rule.version in versions) for key, versions in by.items()]


def _count_unlike(rows: Sequence[Row[Any]], canary: Bundle) -> int:
    """How many answers are not those that the bundle gives."""
    if not rows:
        return 0
    frame = as_frame(rows, canary.schema)
    logged = frame[canary.schema.answers].to_numpy(float)
    again = canary.model().answers_of(frame).astype(float)
    same = np.isclose(logged, again, rtol=CLOSE, atol=CLOSE).all(axis=1)
    return int((~same).sum())
