"""Reads windows of predictions, with or without their outcomes, as frames.

A window is [start, end) in event time. Large windows are sampled by the random tail of the
prediction id: the same rows every time, without sorting the table.
"""

import json
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Connection, Row, and_, func, select

from contracts.tables import outcomes, predictions

_TAIL_DIGITS = 4
_TAILS = 16**_TAIL_DIGITS

FACTS = [predictions.c.event_time, predictions.c.probability]


def count_rows(connection: Connection, start: datetime, end: datetime) -> int:
    """How many predictions the window holds."""
    query = select(func.count()).where(_within(start, end)).select_from(predictions)
    return connection.execute(query).scalar_one()


def read_rows(
    connection: Connection, start: datetime, end: datetime, max_rows: int
) -> pd.DataFrame:
    """At most about `max_rows` predictions of the window, with their features as columns."""
    share = max_rows / max(count_rows(connection, start, end), 1)
    query = select(*FACTS, predictions.c.features).where(_within(start, end), _sampled(share))
    return _frame(list(connection.execute(query)), ["probability"])


def read_scores(
    connection: Connection, start: datetime, end: datetime, version: str, max_rows: int
) -> pd.DataFrame:
    """Predictions of one version that have an outcome: event_time, probability, outcome.

    No features are read, so that months are cheap.
    """
    newest = _newest_outcome()
    query = (
        select(*FACTS, outcomes.c.outcome)
        .join(newest, newest.c.prediction_id == predictions.c.prediction_id)
        .join(outcomes, outcomes.c.outcome_id == newest.c.outcome_id)
        .where(_within(start, end), predictions.c.model_version == version)
    )
    number = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    rows = connection.execute(query.where(_sampled(max_rows / max(number, 1)))).all()
    frame = pd.DataFrame(rows, columns=["event_time", "probability", "outcome"])
    return frame.assign(outcome=frame.outcome.map(json.loads))


def read_labelled(connection: Connection, until: datetime) -> pd.DataFrame:
    """Every prediction before `until` that has an outcome, its features as columns.

    Returns:
        event_time, `outcome` (the latest correction) and the features, ordered by event time
        and id, so that the same rows always give the same frame.
    """
    newest = _newest_outcome()
    query = (
        select(*FACTS, predictions.c.features, outcomes.c.outcome)
        .join(newest, newest.c.prediction_id == predictions.c.prediction_id)
        .join(outcomes, outcomes.c.outcome_id == newest.c.outcome_id)
        .where(predictions.c.event_time < until)
        .order_by(predictions.c.event_time, predictions.c.prediction_id)
    )
    rows: list[Row[Any]] = list(connection.execute(query))
    frame = _frame(rows, [])
    return frame.assign(outcome=[json.loads(row.outcome) for row in rows])


def _within(start: datetime, end: datetime) -> ColumnElement[bool]:
    return and_(predictions.c.event_time >= start, predictions.c.event_time < end)


def _sampled(share: float) -> ColumnElement[bool]:
    """True for about `share` of the rows; version 7 UUIDs end in random digits."""
    tail = func.substr(predictions.c.prediction_id, 37 - _TAIL_DIGITS)
    return tail < (f"{int(share * _TAILS):0{_TAIL_DIGITS}x}" if share < 1 else "g")


def _newest_outcome() -> Any:
    return (
        select(outcomes.c.prediction_id, func.max(outcomes.c.outcome_id).label("outcome_id"))
        .group_by(outcomes.c.prediction_id)
        .subquery()
    )


def _frame(rows: list[Row[Any]], facts: list[str]) -> pd.DataFrame:
    """One row of columns per prediction: its features, event_time and the named facts."""
    features = pd.DataFrame([json.loads(row.features) for row in rows])
    times = pd.Series([row.event_time for row in rows], dtype="datetime64[us, UTC]")
    return features.assign(
        event_time=times, **{name: [getattr(row, name) for row in rows] for name in facts}
    )
