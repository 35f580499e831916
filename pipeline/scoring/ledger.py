"""Batch answers in the database, beside those of the service, so that checks see both.

One of the few modules of the pipeline that know the database (pyproject.toml names them).
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from sqlalchemy import Engine
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from contracts.database import DatabaseUrlError, make_engine, write_transaction
from contracts.migrate import DatabaseOutOfDateError, require_current
from contracts.tables import predictions
from pipeline.scoring.parts import ScoreError

# On SQLite the service's own writes wait meanwhile: some hundredths of a second.
TRANSACTION_ROWS = 2000


class LedgerError(ScoreError):
    """The answers cannot be logged; the message names the remedy."""


def open_ledger(url: str) -> Engine:
    """The database, once it is known to have this code's tables.

    Raises:
        LedgerError: it cannot be reached or used.
    """
    try:
        engine = make_engine(url, pooled=False)
        require_current(engine)
        return engine
    except (DatabaseUrlError, DatabaseOutOfDateError) as error:
        raise LedgerError(f"--log: {error}") from None
    except SQLAlchemyError as error:
        raise LedgerError(f"--log: the database cannot be reached: {error}") from None


def record(engine: Engine, rows: pa.Table) -> None:
    """Insert rows of the predictions table; those that are there already stay as they are.

    Raises:
        LedgerError: the database refused; what it took before stays, and doing it again is safe.
    """
    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(predictions).on_conflict_do_nothing(
        index_elements=[predictions.c.prediction_id]
    )
    try:
        for some in _slices(rows):
            with write_transaction(engine) as connection:
                connection.execute(statement, some)
    except SQLAlchemyError as error:
        raise LedgerError(
            f"--log: the database refused: {error}; the same command goes on from here"
        ) from None


def _slices(rows: pa.Table) -> Iterator[list[dict[str, Any]]]:
    known = [name for name in rows.column_names if name in predictions.columns]
    for start in range(0, len(rows), TRANSACTION_ROWS):
        yield rows.select(known).slice(start, TRANSACTION_ROWS).to_pylist()
