"""Databases that have their tables already: migrated once in each process, then copied."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine

from contracts.database import checkpoint, make_engine
from contracts.migrate import migrate


def migrated_engine(url: str) -> Engine:
    """An engine on a new SQLite file with all tables, as `migrate` would leave it.

    Whoever tests migrations themselves, or another database, calls `migrate`.
    """
    engine = make_engine(url)
    assert engine.url.database is not None
    Path(engine.url.database).write_bytes(_tables())
    return engine


@cache
def _tables() -> bytes:
    with TemporaryDirectory() as directory:
        engine = make_engine(f"sqlite:///{directory}/perennial.db")
        migrate(engine)
        assert checkpoint(engine, truncate=True)
        engine.dispose()
        return Path(directory, "perennial.db").read_bytes()
