"""Engine and transactions. On SQLite: one ledger, WAL, and no checkpoint beside other writers.

What is deleted is overwritten with zeros there (secure_delete), in the file as in the log.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

BUSY_SECONDS = 5.0
# libpq's least; a server that does not even accept is as good as gone.
CONNECT_SECONDS = 2
TRUNCATE_MILLISECONDS = 20


class DatabaseUrlError(ValueError):
    """The database URL cannot be used."""


def make_engine(
    url: str, *, busy_seconds: float = BUSY_SECONDS, pre_ping: bool = True, pooled: bool = True
) -> Engine:
    """Build the engine; creates the directory of a SQLite file, opens no connection.

    Args:
        busy_seconds: how long SQLite waits for another process's transaction.
        pre_ping: whether PostgreSQL is asked before a pooled connection is used again.
        pooled: whether connections wait for their next use, until `dispose`; a command that ends
            soon has each closed at once.

    Raises:
        DatabaseUrlError: not a URL, an in-memory SQLite, or neither SQLite nor PostgreSQL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise DatabaseUrlError("PERENNIAL_DATABASE_URL is not a SQLAlchemy URL") from None
    backend = parsed.get_backend_name()
    pool = QueuePool if pooled else NullPool
    if backend == "postgresql":
        limited = {"connect_timeout": CONNECT_SECONDS, **parsed.query}
        # No hstore here, so no question about it at every connection.
        return create_engine(
            url,
            pool_pre_ping=pre_ping,
            connect_args=limited,
            use_native_hstore=False,
            poolclass=pool,
        )
    if backend != "sqlite":
        raise DatabaseUrlError(f"PERENNIAL_DATABASE_URL: {backend} is not sqlite or postgresql")
    if not parsed.database or parsed.database == ":memory:":
        raise DatabaseUrlError(
            "PERENNIAL_DATABASE_URL: SQLite needs a file, three processes share it"
        )
    Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    lasting = {"timeout": busy_seconds, "check_same_thread": False}
    engine = create_engine(url, connect_args=lasting, poolclass=pool)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


@contextmanager
def write_transaction(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes, for every process but the ledger's.

    On SQLite it takes the write lock at once (no upgrade that fails half-way) and keeps the
    ledger from checkpointing meanwhile (docs/adr/0003).
    """
    with _sqlite_lock(engine, fcntl.LOCK_SH):
        with engine.connect().execution_options(write=True) as connection, connection.begin():
            yield connection


def checkpoint(engine: Engine, *, truncate: bool = False) -> bool:
    """Copy SQLite's write-ahead log into the database; only for whoever has the service's place.

    Args:
        truncate: leave an empty log, so that nothing deleted stays in it.

    Returns:
        False if another process was writing, or with `truncate` reading: try again later. True
        on PostgreSQL.
    """
    if engine.dialect.name != "sqlite":
        return True
    try:
        with _sqlite_lock(engine, fcntl.LOCK_EX | fcntl.LOCK_NB):
            with engine.connect() as connection:
                cursor = connection.connection.cursor()
                return _empty_log(engine, cursor) if truncate else _copy_log(cursor)
    except BlockingIOError:
        return False


def _copy_log(cursor: Any) -> bool:
    cursor.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
    return True


def _empty_log(engine: Engine, cursor: Any) -> bool:
    """Waits for readers, but no answer has to wait long for this."""
    ((usual,),) = cursor.execute("PRAGMA busy_timeout").fetchall()
    cursor.execute(f"PRAGMA busy_timeout={TRUNCATE_MILLISECONDS}").fetchall()
    try:
        ((is_busy, _pages, _copied),) = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        cursor.execute(f"PRAGMA busy_timeout={usual}").fetchall()
    if not is_busy:
        _wish(engine).unlink(missing_ok=True)
    return not is_busy


def wish_for_empty_log(engine: Engine) -> None:
    """Ask the ledger of a running service to empty SQLite's log; it does so within a second."""
    if engine.dialect.name == "sqlite":
        _wish(engine).touch()


def is_empty_log_wished(engine: Engine) -> bool:
    """Whether somebody has asked, and the ledger has not come to it."""
    return engine.dialect.name == "sqlite" and _wish(engine).exists()


def _wish(engine: Engine) -> Path:
    return Path(f"{engine.url.database}.empty-log")


def rewrite(engine: Engine) -> None:
    """Write a SQLite file anew, without what pages may have kept of earlier rows (VACUUM).

    Only for whoever has the service's place. Needs as much disk again, and time.
    """
    if engine.dialect.name != "sqlite":
        return
    with _sqlite_lock(engine, fcntl.LOCK_EX), engine.connect() as connection:
        connection.connection.cursor().execute("VACUUM")


@contextmanager
def hold_service_place(engine: Engine) -> Iterator[None]:
    """On SQLite, keep the place of the only service; nothing else then checkpoints or spools.

    On PostgreSQL there is no such place.

    Raises:
        BlockingIOError: a service, or somebody in its place, has it.
    """
    if engine.dialect.name != "sqlite":
        yield
        return
    with Path(f"{engine.url.database}.service.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


@contextmanager
def _sqlite_lock(engine: Engine, mode: int) -> Iterator[None]:
    if engine.dialect.name != "sqlite":
        yield
        return
    with Path(f"{engine.url.database}.lock").open("a") as file:
        fcntl.flock(file, mode)
        yield


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's "begin" event opens transactions instead
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # a 200 means: on disk
        "wal_autocheckpoint=0",
        "foreign_keys=ON",
        "secure_delete=ON",  # an erased person's row is gone from the file's bytes too
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
