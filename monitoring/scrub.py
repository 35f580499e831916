"""What stays in a database's files after its rows were deleted, and how that goes, too.

SQLite: deleted rows are overwritten with zeros (contracts/database.py), but the write-ahead log
holds pages as they were until it is emptied, and a page may hold an older copy of a moved row.
"""

import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine

from contracts.database import checkpoint, hold_service_place, rewrite, wish_for_empty_log
from contracts.subject import Subject
from monitoring.traces import found_in

POLL_SECONDS = 0.5
_POSTGRESQL = (
    "PostgreSQL keeps deleted rows in its files until it vacuums them, and longer in its own log, "
    "its replicas and your backups"
)


def scrub(engine: Engine, subject: Subject, may_wait: Callable[[], bool]) -> list[str]:
    """Make the deleted rows' bytes vanish as far as possible; gives what a person should know."""
    if engine.dialect.name != "sqlite":
        return [_POSTGRESQL]
    try:
        with hold_service_place(engine):
            return _scrub_alone(engine, subject)
    except BlockingIOError:
        return _wait_for_service(engine, subject, may_wait)


def files_with(engine: Engine, subject: Subject) -> list[str]:
    """Names of the database's files in whose bytes a row of the subject still is."""
    database = Path(str(engine.url.database))
    files = [database, database.with_name(f"{database.name}-wal")]
    pattern = subject.row_pattern()
    return [path.name for path in files if path.exists() and found_in(path, pattern)]


def _scrub_alone(engine: Engine, subject: Subject) -> list[str]:
    checkpoint(engine, truncate=True)
    if not files_with(engine, subject):
        return []
    rewrite(engine)
    checkpoint(engine, truncate=True)
    left = files_with(engine, subject)
    if not left:
        return []
    return [f"bytes are left in {', '.join(left)}: another process reads; run this again"]


def _wait_for_service(engine: Engine, subject: Subject, may_wait: Callable[[], bool]) -> list[str]:
    """Only the ledger may empty its log; a page's older copy has to wait for a stop."""
    while (left := files_with(engine, subject)) and may_wait():
        wish_for_empty_log(engine)
        time.sleep(POLL_SECONDS)
    if not left:
        return []
    return [
        f"the rows are deleted, but {', '.join(left)} still has bytes of them while the service "
        "runs; stop it and run this again to write the file anew"
    ]
