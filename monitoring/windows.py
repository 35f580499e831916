"""Reads windows of predictions, with or without their outcomes, as frames.

A window is [start, end) in event time. Large windows are sampled by the random tail of the
prediction id: the same rows every time, without sorting the table.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Connection, Row, and_, func, select

from contracts.schema import EVENT_TIME, OUTCOME, VERSION, FeatureSchema
from contracts.tables import outcomes, predictions

_TAIL_DIGITS = 4
_TAILS = 16**_TAIL_DIGITS

FACTS = [
    predictions.c.event_time,
    predictions.c.prediction,
    predictions.c.probability,
    predictions.c.scores,
]


def count_rows(connection: Connection, start: datetime, end: datetime) -> int:
    """How many predictions the window holds."""
    query = select(func.count()).where(_within(start, end)).select_from(predictions)
    return connection.execute(query).scalar_one()


def read_rows(
    connection: Connection, schema: FeatureSchema, start: datetime, end: datetime, max_rows: int
) -> pd.DataFrame:
    """At most about `max_rows` predictions: features, EVENT_TIME, VERSION, schema.answers."""
    share = max_rows / max(count_rows(connection, start, end), 1)
    columns = (*FACTS, predictions.c.features, predictions.c.model_version)
    query = select(*columns).where(_within(start, end), _sampled(share))
    rows: list[Row[Any]] = list(connection.execute(query))
    return pd.concat([_features(rows), _versions(rows), _facts(rows, schema)], axis=1)


def read_scores(
    connection: Connection,
    schema: FeatureSchema,
    start: datetime,
    end: datetime,
    versions: Sequence[str],
    max_rows: int,
    *,
    with_features: bool = False,
) -> pd.DataFrame:
    """Predictions of some versions that have an outcome.

    Features are read only if they are asked for, so that months are cheap.

    Returns:
        EVENT_TIME, VERSION, schema.answers, OUTCOME.
    """
    newest = _newest_outcome()
    asked = [*FACTS, predictions.c.model_version]
    asked += [predictions.c.features] if with_features else []
    query = (
        select(*asked, outcomes.c.outcome)
        .join(newest, newest.c.prediction_id == predictions.c.prediction_id)
        .join(outcomes, outcomes.c.outcome_id == newest.c.outcome_id)
        .where(_within(start, end), predictions.c.model_version.in_(versions))
    )
    number = connection.execute(select(func.count()).select_from(query.subquery())).scalar_one()
    rows: list[Row[Any]] = list(
        connection.execute(query.where(_sampled(max_rows / max(number, 1))))
    )
    features = [_features(rows)] if with_features else []
    return pd.concat([*features, _versions(rows), _facts(rows, schema), _outcomes(rows)], axis=1)


def read_labelled(
    connection: Connection,
    until: datetime,
    start: datetime | None = None,
    max_rows: int | None = None,
) -> pd.DataFrame:
    """Predictions before `until` that have an outcome, their features as columns.

    Args:
        start: none before it; None = from the first one.
        max_rows: about so many at most; None = all.

    Returns:
        EVENT_TIME, OUTCOME (the latest correction) and the features, ordered by event time
        and id, so that the same rows always give the same frame.
    """
    newest = _newest_outcome()
    query = (
        select(predictions.c.event_time, predictions.c.features, outcomes.c.outcome)
        .join(newest, newest.c.prediction_id == predictions.c.prediction_id)
        .join(outcomes, outcomes.c.outcome_id == newest.c.outcome_id)
        .where(predictions.c.event_time < until)
        .order_by(predictions.c.event_time, predictions.c.prediction_id)
    )
    if start is not None:
        query = query.where(predictions.c.event_time >= start)
    if max_rows is not None:
        counted = select(func.count()).select_from(query.order_by(None).subquery())
        number = connection.execute(counted).scalar_one()
        query = query.where(_sampled(max_rows / max(number, 1)))
    rows: list[Row[Any]] = list(connection.execute(query))
    return pd.concat([_features(rows), _times(rows), _outcomes(rows)], axis=1)


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


def _features(rows: list[Row[Any]]) -> pd.DataFrame:
    return pd.DataFrame([json.loads(row.features) for row in rows])


def _versions(rows: list[Row[Any]]) -> pd.DataFrame:
    return pd.DataFrame({VERSION: [row.model_version for row in rows]}, dtype=object)


def _times(rows: list[Row[Any]]) -> pd.DataFrame:
    times = pd.Series([row.event_time for row in rows], dtype="datetime64[us, UTC]")
    return pd.DataFrame({EVENT_TIME: times})


def _facts(rows: list[Row[Any]], schema: FeatureSchema) -> pd.DataFrame:
    """EVENT_TIME, and what the model answered, in columns of the schema's outputs."""
    answers = [_answer(row, schema) for row in rows]
    found = pd.DataFrame(answers, columns=schema.answers, dtype=float)
    return pd.concat([_times(rows), found], axis=1)


def _answer(row: Row[Any], schema: FeatureSchema) -> list[float]:
    if schema.target.task == "regression":
        return [json.loads(row.prediction)]
    if schema.target.task == "binary":
        return [1 - row.probability, row.probability]
    chances: list[float] = json.loads(row.scores)
    return chances


def _outcomes(rows: list[Row[Any]]) -> pd.DataFrame:
    return pd.DataFrame(
        {OUTCOME: pd.Series([json.loads(row.outcome) for row in rows], dtype=object)}
    )
