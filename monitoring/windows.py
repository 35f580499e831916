"""Reads windows of predictions, with or without their outcomes, as frames.

A window is [start, end) in event time. Large windows are sampled, see sampling.py.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
from sqlalchemy import ColumnElement, Connection, Row, Select, select, true

from contracts.schema import EVENT_TIME, OUTCOME, VERSION, FeatureSchema
from contracts.tables import predictions
from monitoring.sampling import count_rows, looked_up, newest_outcome, sampled, within

FIRST = datetime(1, 1, 1, tzinfo=UTC)
_MOST_DIGITS = 300  # a float has up to 308 of them

FACTS = [
    predictions.c.event_time,
    predictions.c.prediction,
    predictions.c.probability,
    predictions.c.scores,
]


def find_start(
    connection: Connection, end: datetime, days: int, max_rows: int | None = None
) -> datetime:
    """Where the window begins that ends at `end`: days before, or at its newest `max_rows` rows."""
    start = end - timedelta(days=days)
    if max_rows is None:
        return start
    times = select(predictions.c.event_time).where(within(start, end))
    first = times.order_by(predictions.c.event_time.desc()).offset(max_rows - 1).limit(1)
    return connection.execute(first).scalar_one_or_none() or start


def read_rows(
    connection: Connection, schema: FeatureSchema, start: datetime, end: datetime, max_rows: int
) -> pd.DataFrame:
    """At most about `max_rows` predictions: features, EVENT_TIME, VERSION, schema.answers."""
    share = max_rows / max(count_rows(connection, start, end), 1)
    columns = (*FACTS, predictions.c.features, predictions.c.model_version)
    query = select(*columns).where(within(start, end), sampled(share))
    rows: list[Row[Any]] = list(connection.execute(query))
    return as_frame(rows, schema)


def as_frame(rows: Sequence[Row[Any]], schema: FeatureSchema) -> pd.DataFrame:
    """Rows of FACTS, features and model_version as read_rows gives them."""
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

    Args:
        max_rows: about so many are looked at; all that have an outcome, if these are fewer.

    Returns:
        EVENT_TIME, VERSION, schema.answers, OUTCOME.
    """
    chosen, _ = looked_up(connection, count_rows(connection, start, end), max_rows)
    asked = [*FACTS, predictions.c.model_version]
    asked += [predictions.c.features] if with_features else []
    query = select(*asked, newest_outcome().label("outcome")).where(
        within(start, end), chosen, predictions.c.model_version.in_(versions)
    )
    rows = _labelled(connection, query)
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
        max_rows: as read_scores; None = all.

    Returns:
        EVENT_TIME, OUTCOME (the latest correction) and the features, ordered by event time
        and id, so that the same rows always give the same frame.
    """
    window = within(start or FIRST, until)
    chosen: ColumnElement[bool] = true()
    if max_rows is not None:
        number = count_rows(connection, start or FIRST, until)
        chosen, _ = looked_up(connection, number, max_rows)
    query = (
        select(predictions.c.event_time, predictions.c.features, newest_outcome().label("outcome"))
        .where(window, chosen)
        .order_by(predictions.c.event_time, predictions.c.prediction_id)
    )
    rows = _labelled(connection, query)
    return pd.concat([_features(rows), _times(rows), _outcomes(rows)], axis=1)


def _labelled(connection: Connection, query: Select[Any]) -> list[Row[Any]]:
    """The query's rows that have an `outcome`."""
    return [row for row in connection.execute(query) if row.outcome is not None]


def _features(rows: Sequence[Row[Any]]) -> pd.DataFrame:
    return pd.DataFrame([json.loads(row.features, parse_int=_whole) for row in rows])


def _whole(digits: str) -> float:
    """A whole number; infinite if it is larger than any float."""
    return int(digits) if len(digits) < _MOST_DIGITS else float(digits)


def _versions(rows: Sequence[Row[Any]]) -> pd.DataFrame:
    return pd.DataFrame({VERSION: [row.model_version for row in rows]}, dtype=object)


def _times(rows: Sequence[Row[Any]]) -> pd.DataFrame:
    times = pd.Series([row.event_time for row in rows], dtype="datetime64[us, UTC]")
    return pd.DataFrame({EVENT_TIME: times})


def _facts(rows: Sequence[Row[Any]], schema: FeatureSchema) -> pd.DataFrame:
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
