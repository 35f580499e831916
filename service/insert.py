"""How predictions enter the database: the ledger's hot path, one function for each backend."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, insert

from contracts.tables import predictions

COLUMNS = tuple(column.name for column in predictions.columns)
# (prediction_id, predicted_at, event_time, model_version, features, prediction, probability,
#  scores)
Row = tuple[str, datetime, datetime, str, str, str, float | None, str | None]
CommitRows = Callable[[Connection, Sequence[Row]], None]

STATEMENT_ROWS = 128


def commit_for(engine: Engine) -> CommitRows:
    """The function that makes rows durable, all or none."""
    return commit_sqlite if engine.dialect.name == "sqlite" else commit_any


def commit_any(connection: Connection, rows: Sequence[Row]) -> None:
    """Insert and commit with SQLAlchemy's own statement.

    Raises:
        SQLAlchemyError: nothing was written.
    """
    with connection.begin():
        connection.execute(
            insert(predictions), [dict(zip(COLUMNS, row, strict=True)) for row in rows]
        )


def commit_sqlite(connection: Connection, rows: Sequence[Row]) -> None:
    """The same, at half the time: measured, see docs/adr/0003.

    Every call of the driver hands the interpreter's lock to the event loop and waits to get it
    back, so a usual group is one statement, which SQLite makes a transaction of its own.

    Raises:
        SQLAlchemyError, sqlite3.Error: nothing was written.
    """
    if len(rows) <= STATEMENT_ROWS:
        driver: Any = connection.connection.driver_connection
        driver.execute(_statement(len(rows)), _values(rows))
        return
    with connection.begin():
        for start in range(0, len(rows), STATEMENT_ROWS):
            chunk = rows[start : start + STATEMENT_ROWS]
            connection.exec_driver_sql(_statement(len(chunk)), tuple(_values(chunk)))


def _statement(rows: int) -> str:
    one = f"({','.join('?' * len(COLUMNS))})"
    into = f"INSERT INTO predictions ({','.join(COLUMNS)}) VALUES "  # noqa: S608  # constants
    return into + ",".join([one] * rows)


def _values(rows: Sequence[Row]) -> list[Any]:
    texts: dict[datetime, str] = {}
    values: list[Any] = []
    for prediction_id, predicted_at, event_time, *rest in rows:
        values += (prediction_id, _text(predicted_at, texts), _text(event_time, texts), *rest)
    return values


def _text(moment: datetime, texts: dict[datetime, str]) -> str:
    """As SQLAlchemy's DateTime writes it on SQLite, so that both functions mix in one table."""
    text = texts.get(moment)
    if text is None:
        # Not strftime: its %Y does not pad the years before 1000.
        text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
        texts[moment] = text
    return text
