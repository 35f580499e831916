"""Who may run a singleton job: one row per job, taken for a time, across processes.

A lease is short and its holder renews it, so that a dead holder's is free within LENGTH. Times
are the machine's own, whatever clock the job decides by; hosts must agree within seconds.
"""

import logging
import os
import platform
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update
from sqlalchemy.exc import OperationalError

from contracts.database import write_transaction
from contracts.tables import leases

LENGTH = timedelta(seconds=30)
BEAT_SECONDS = 5.0
log = logging.getLogger(__name__)

_LONG_PAST = datetime(1970, 1, 1, tzinfo=UTC)


class LeaseTakenError(RuntimeError):
    """Somebody else holds the lease."""

    def __init__(self, name: str, holder: str, until: datetime) -> None:
        super().__init__(told(name, holder, until))


def told(name: str, holder: str, until: datetime) -> str:
    """That a lease is held, in words."""
    return f"{name} is already running at {holder}, which has told so until {until:%H:%M:%S}"


def utc_now() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)


def this_process() -> str:
    """How a holder names itself."""
    return f"{platform.node()}:{os.getpid()}"


def take(connection: Connection, name: str, holder: str, now: datetime, length: timedelta) -> int:
    """Take a lease that is free, or take it over.

    It is free when it has expired, and also when it ends later than anybody could have made it
    end by now: then the clock has been set back, and it would be stuck.

    Returns:
        The fencing token, larger than every earlier one of this name.

    Raises:
        LeaseTakenError: it is not free.
    """
    row = _find(connection, name)
    if row is None:
        values = {"name": name, "holder": holder, "fencing_token": 1, "expires_at": now + length}
        connection.execute(insert(leases).values(values))
        return 1
    if _is_live(row, now, length):
        raise LeaseTakenError(name, row.holder, row.expires_at)
    token = int(row.fencing_token) + 1
    taken = {"holder": holder, "fencing_token": token, "expires_at": now + length}
    connection.execute(update(leases).where(leases.c.name == name).values(taken))
    return token


def running(connection: Connection, name: str, now: datetime, length: timedelta) -> str | None:
    """Who holds a lease of this length, in words; None = it can be taken."""
    row = _find(connection, name)
    if row is None or not _is_live(row, now, length):
        return None
    return told(name, row.holder, row.expires_at)


def renew(connection: Connection, name: str, token: int, until: datetime) -> bool:
    """Hold on to a lease, also one that has expired, unless somebody has taken it over.

    Returns:
        Whether it is still held.
    """
    mine = (leases.c.name == name) & (leases.c.fencing_token == token)
    return connection.execute(update(leases).where(mine).values(expires_at=until)).rowcount == 1


@contextmanager
def kept(
    engine: Engine, name: str, token: int, most: timedelta, beat_seconds: float = BEAT_SECONDS
) -> Iterator[threading.Event]:
    """Renew in a thread while the body runs, then let the next one in.

    Args:
        most: a body that hangs for longer than this loses the lease.

    Yields:
        An event that is set when the lease is lost.
    """
    lost, over = threading.Event(), threading.Event()
    beats = int(most.total_seconds() / beat_seconds)

    def beat() -> None:
        for _ in range(beats):
            if over.wait(beat_seconds):
                return
            if not _renewed(engine, name, token):
                break
        lost.set()

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    try:
        yield lost
    finally:
        over.set()
        beating.join()
        with write_transaction(engine) as connection:
            release(connection, name, token)


def _renewed(engine: Engine, name: str, token: int) -> bool:
    try:
        with write_transaction(engine) as connection:
            return renew(connection, name, token, utc_now() + LENGTH)
    except OperationalError as error:  # away or locked: nobody else can take it either
        log.warning("the lease %s was not renewed: %s", name, error.orig)
        return True


def holds(connection: Connection, name: str, token: int) -> bool:
    """Whether nobody has taken the lease over since `token` was given out; nor can until commit."""
    query = select(leases.c.fencing_token).where(leases.c.name == name).with_for_update()
    return int(connection.execute(query).scalar_one()) == token


def release(connection: Connection, name: str, token: int) -> None:
    """Let the next one in at once, whatever its clock says: a replay's may be in the past."""
    mine = (leases.c.name == name) & (leases.c.fencing_token == token)
    connection.execute(update(leases).where(mine).values(expires_at=_LONG_PAST))


def _find(connection: Connection, name: str) -> Row[Any] | None:
    query = select(leases).where(leases.c.name == name).with_for_update()
    return connection.execute(query).one_or_none()


def _is_live(row: Row[Any], now: datetime, length: timedelta) -> bool:
    return bool(now < row.expires_at <= now + 2 * length)
