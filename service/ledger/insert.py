"""How predictions enter the database: the ledger's hot path, and the replay's.

Every call of a driver hands the interpreter's lock to the event loop and waits to get it back, so
a usual group is one statement, which is a transaction of its own (docs/adr/0003, 0017).
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from typing import Any

import msgspec
from sqlalchemy import Connection, Engine

from contracts.tables import predictions

COLUMNS = tuple(column.name for column in predictions.columns)
# (prediction_id, predicted_at, event_time, model_version, features, prediction, probability,
#  scores)
Row = tuple[str, datetime, datetime, str, str, str, float | None, str | None]
# Gives how many rows the database says it took.
CommitRows = Callable[[Connection, Sequence[Row]], int]

STATEMENT_ROWS = 128
_MOMENTS = (1, 2)  # places in a Row
_INTO = f"INSERT INTO predictions ({','.join(COLUMNS)}) "  # constants
_REPEATABLE = " ON CONFLICT (prediction_id) DO NOTHING"
_TYPED = (
    "prediction_id text, predicted_at timestamptz, event_time timestamptz, model_version text, "
    "features text, prediction text, probability float8, scores text"
)
_FROM_JSON = _INTO + f"SELECT * FROM json_to_recordset(%s::json) AS t({_TYPED})"  # noqa: S608
_COPY = f"COPY predictions ({','.join(COLUMNS)}) FROM STDIN"
_encode = msgspec.json.Encoder().encode


def commit_for(engine: Engine) -> CommitRows:
    """The function that makes rows durable, all or none."""
    return commit_sqlite if engine.dialect.name == "sqlite" else commit_postgresql


def commit_sqlite(connection: Connection, rows: Sequence[Row]) -> int:
    """Insert and commit.

    Raises:
        SQLAlchemyError, sqlite3.Error: nothing was written.
    """
    if len(rows) <= STATEMENT_ROWS:
        driver: Any = connection.connection.driver_connection
        return int(driver.execute(_statement(len(rows)), _values(rows)).rowcount)
    with connection.begin():
        return _insert_sqlite(connection, rows, "")


def commit_postgresql(connection: Connection, rows: Sequence[Row]) -> int:
    """Insert and commit in one round trip, or with COPY where there are many rows.

    Raises:
        psycopg.Error: nothing was written, unless only the answer to it was lost.
    """
    driver: Any = connection.connection.driver_connection
    driver.autocommit = True  # nothing is sent for this; one statement is a transaction
    try:
        if len(rows) <= STATEMENT_ROWS:
            return int(driver.execute(_FROM_JSON, (_as_json(rows),)).rowcount)
        with driver.cursor() as cursor:
            with cursor.copy(_COPY) as copy:
                for row in rows:
                    copy.write_row(row)
            return int(cursor.rowcount)
    finally:
        if not driver.closed:
            driver.autocommit = False


def insert_rows(connection: Connection, rows: Sequence[Row]) -> int:
    """Insert into the caller's transaction what is not there yet; gives how many that was.

    Raises:
        SQLAlchemyError: the transaction cannot go on.
    """
    if not rows:
        return 0
    if connection.dialect.name == "sqlite":
        return _insert_sqlite(connection, rows, _REPEATABLE)
    return connection.exec_driver_sql(_FROM_JSON + _REPEATABLE, (_as_json(rows),)).rowcount


def _insert_sqlite(connection: Connection, rows: Sequence[Row], suffix: str) -> int:
    inserted = 0
    for start in range(0, len(rows), STATEMENT_ROWS):
        chunk = rows[start : start + STATEMENT_ROWS]
        done = connection.exec_driver_sql(_statement(len(chunk)) + suffix, tuple(_values(chunk)))
        inserted += done.rowcount
    return inserted


@cache
def _statement(rows: int) -> str:
    one = f"({','.join('?' * len(COLUMNS))})"
    return _INTO + "VALUES " + ",".join([one] * rows)


def _as_json(rows: Sequence[Row]) -> str:
    return _encode([dict(zip(COLUMNS, row, strict=True)) for row in rows]).decode()


def _values(rows: Sequence[Row]) -> list[Any]:
    values: list[Any] = list(chain.from_iterable(rows))
    for place in _MOMENTS:
        moments = values[place :: len(COLUMNS)]
        texts = {moment: _text(moment) for moment in set(moments)}  # mostly one
        values[place :: len(COLUMNS)] = [texts[moment] for moment in moments]
    return values


def _text(moment: datetime) -> str:
    """As SQLAlchemy's DateTime writes it on SQLite, so that both functions mix in one table."""
    # Not strftime: its %Y does not pad the years before 1000.
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
