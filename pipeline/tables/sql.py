"""Tables in a database, through any URL that SQLAlchemy knows; the only SQL of the pipeline."""

import re
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

from pipeline.frames import DatasetError
from pipeline.tables.parts import Part, check_names, texts_schema

ROWS = 20_000
QUERY = re.compile(r"\s*(select|with|values|\()\b", re.IGNORECASE)


def is_database(address: str) -> bool:
    """Whether an address is a database's URL, as postgresql://host/name is and s3://bucket not."""
    try:
        sa.make_url(address).get_dialect()
    except (NoSuchModuleError, SQLAlchemyError, ModuleNotFoundError) as error:
        return isinstance(error, ModuleNotFoundError)  # a database whose driver is not installed
    return True


def open_query(url: str, query: str | None) -> Part:
    """What a query answers as one part, its values as texts.

    Args:
        query: SQL, or a table's name; none: the database's only table.

    Raises:
        DatasetError: the database or the query fails, or its names cannot be a table's.
    """
    engine = _engine(url)
    try:
        statement = _statement(engine, query)
        with engine.connect() as connection, connection.execute(statement) as result:
            names = [str(name) for name in result.keys()]
    except SQLAlchemyError as error:
        raise DatasetError(f"{hide_password(url)}: {_cause(error)}") from None
    check_names(names, hide_password(url))

    def batches() -> Iterator[pa.RecordBatch]:
        schema = texts_schema(names)
        options = {"stream_results": True, "max_row_buffer": ROWS}
        with engine.connect().execution_options(**options) as connection:
            for rows in connection.execute(statement).partitions(ROWS):
                columns = [[_text(value) for value in column] for column in zip(*rows, strict=True)]
                yield pa.RecordBatch.from_arrays([pa.array(c, pa.string()) for c in columns],
                                                 schema=schema)  # fmt: skip
        engine.dispose()

    return Part("query", texts_schema(names), batches)


def hide_password(url: str) -> str:
    """The URL as it may be shown."""
    return sa.make_url(url).render_as_string(hide_password=True)


def _engine(url: str) -> sa.Engine:
    try:
        engine = sa.create_engine(url, poolclass=sa.NullPool)
    except (SQLAlchemyError, ModuleNotFoundError) as error:
        raise DatasetError(f"--query needs a database's URL: {_cause(error)}") from None
    file = engine.url.database
    if engine.dialect.name == "sqlite" and file and not Path(file).is_file():
        raise DatasetError(f"{file} does not exist")  # SQLite would make an empty one
    return engine


def _statement(engine: sa.Engine, query: str | None) -> sa.Executable:
    if query is None:
        tables = sa.inspect(engine).get_table_names()
        if len(tables) != 1:
            shown = sorted(tables)[:20]
            raise DatasetError(f"--query: name a table or write SQL; the database has {shown}")
        query = tables[0]
    elif QUERY.match(query):
        return sa.text(query.replace(":", r"\:"))  # no colon is a parameter here
    schema, _, table = query.rpartition(".")
    return sa.select(sa.literal_column("*")).select_from(sa.table(table, schema=schema or None))


def _text(value: object) -> str | None:
    """The text of a value as a file would hold it."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else str(value)


def _cause(error: Exception) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
