"""Uniform samples of predictions, made in the database, at the same cost for any traffic.

A row is in a sample by the random end of its id: the same rows every time, and of two samples the
smaller is part of the larger. On PostgreSQL indices hold the event times of every 8th row, every
64th and so on (contracts/tables.py), so that what is not in a sample is hardly touched. SQLite
reads the window's rows.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    ScalarSelect,
    and_,
    func,
    literal_column,
    select,
    true,
)

from contracts.tables import SAMPLE_KEY, SAMPLES, is_sampled, outcomes, predictions

# A count in a sample of so many rows is off by about 0.7 %; fewer are counted in a larger sample.
ENOUGH = 20_000
LOOKUPS = 50_000  # predictions whose outcomes are counted; a share is off by less than 0.5 %
_DIGITS = 8
_COARSEST = sorted(SAMPLES, reverse=True)


def within(start: datetime, end: datetime) -> ColumnElement[bool]:
    """Predictions of [start, end) in event time."""
    return and_(predictions.c.event_time >= start, predictions.c.event_time < end)


def sampled(share: float) -> ColumnElement[bool]:
    """True for about `share` of the predictions."""
    if share >= 1:
        return true()
    key: ColumnElement[str] = literal_column(SAMPLE_KEY)
    fine = key < f"{int(share * 16**_DIGITS):0{_DIGITS}x}"
    every = next((each for each in _COARSEST if share * each <= 1), None)
    return fine if every is None else and_(literal_column(is_sampled(every)), fine)


def count_rows(connection: Connection, start: datetime, end: datetime, enough: int = ENOUGH) -> int:
    """How many predictions the window holds; on PostgreSQL many (8 * `enough`), about."""
    number = select(func.count()).select_from(predictions).where(within(start, end))
    for every in _COARSEST if connection.dialect.name == "postgresql" else ():
        found = connection.execute(number.where(literal_column(is_sampled(every)))).scalar_one()
        if found >= enough:
            return int(found * every)
    return int(connection.execute(number).scalar_one())


def newest_outcome() -> ScalarSelect[Any]:
    """The last outcome of a row of `predictions`, null = none; one look into an index."""
    # An index on outcome_id alone would give the order, and be read from its end to find one row.
    last = (outcomes.c.outcome_id + 0).desc()
    own = outcomes.c.prediction_id == predictions.c.prediction_id
    return select(outcomes.c.outcome).where(own).order_by(last).limit(1).scalar_subquery()


def looked_up(connection: Connection, rows: int, most: int) -> tuple[ColumnElement[bool], float]:
    """Which of a window's predictions to look up outcomes of: all that have one, if these are few.

    Args:
        rows: of the window.
        most: predictions that are looked at, about.

    Returns:
        The predictions, and which share of those with an outcome they are, about.
    """
    some = select(outcomes.c.outcome_id).limit(most + 1).subquery()
    if connection.execute(select(func.count()).select_from(some)).scalar_one() <= most:
        return predictions.c.prediction_id.in_(select(outcomes.c.prediction_id)), 1.0
    share = min(1.0, most / max(rows, 1))
    return sampled(share), share


def count_labelled(
    connection: Connection, start: datetime, end: datetime, lookups: int = LOOKUPS
) -> tuple[int, int]:
    """How many predictions after `start` have an outcome, and on how many days; of many, about."""
    chosen, share = looked_up(connection, count_rows(connection, start, end), lookups)
    day = func.date(predictions.c.event_time)
    found = (
        select(day.label("day"), newest_outcome().label("outcome"))
        .where(predictions.c.event_time > start, predictions.c.event_time < end, chosen)
        .subquery()
    )
    known = select(func.count(), func.count(found.c.day.distinct())).where(
        found.c.outcome.is_not(None)
    )
    number, days = connection.execute(known).one()
    return round(number / share), days
