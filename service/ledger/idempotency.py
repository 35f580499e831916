"""Idempotency-Key: a repeated request gets its first answer, and its rows are written once.

The database arbitrates between processes: who inserts the key first has answered. This process
remembers its own keys as well, for the time that the database is away.
"""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from contracts.tables import idempotency_keys
from service.ledger.batch import KeptAnswer

MAX_KEY = 200
KEPT = timedelta(hours=24)
REMEMBERED_BYTES = 32_000_000
PURGED_AT_ONCE = 500
READ_AT_START = 50_000
# Answers that other requests were given first, by owner and key.
LostKeys = dict[tuple[str, str], KeptAnswer]
# What an entry of the memory costs beside its answer.
_ENTRY_BYTES = 500


class InvalidKeyError(ValueError):
    """The Idempotency-Key header cannot be used."""

    def __init__(self) -> None:
        super().__init__(f"Idempotency-Key must be 1 to {MAX_KEY} printable ASCII characters")


class KeyReusedError(ValueError):
    """The key belongs to another request."""

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key was used with another body; use a new key")


class KeyInProgressError(RuntimeError):
    """The first request with this key is not answered yet."""

    def __init__(self) -> None:
        super().__init__("the first request with this Idempotency-Key is in progress; try again")


class Claim(NamedTuple):
    """A request that wants its key.

    Attributes:
        owner: key_id of the caller.
        digest: SHA-256 of the body in hexadecimal digits.
    """

    owner: str
    key: str
    digest: str


class _Entry(NamedTuple):
    digest: str
    answer: str | None  # None = in progress
    at: datetime


def read_key(header: bytes | None) -> str | None:
    """The key in a header's value; None = no header.

    Raises:
        InvalidKeyError: it is empty, too long or not printable ASCII.
    """
    if header is None:
        return None
    if not 0 < len(header) <= MAX_KEY or not all(32 <= byte < 127 for byte in header):
        raise InvalidKeyError
    return header.decode()


class KeyMemory:
    """Keys in progress, and answers of the last 24 hours as far as REMEMBERED_BYTES go."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._entries: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._bytes = 0

    def recall(self, claim: Claim, now: datetime) -> str | None:
        """The answer that was given under this key; None = none is known.

        Raises:
            KeyReusedError, KeyInProgressError: there will be none.
        """
        with self._lock:
            return self._recall(claim, now)

    def begin(self, claim: Claim, now: datetime) -> str | None:
        """As recall; where nothing is known, the key is in progress from now on."""
        with self._lock:
            answer = self._recall(claim, now)
            if answer is None:
                self._entries[claim[:2]] = _Entry(claim.digest, None, now)
            return answer

    def release(self, claim: Claim) -> None:
        """The request was not answered: its key is free again."""
        with self._lock:
            entry = self._entries.get(claim[:2])
            if entry is not None and entry.answer is None:
                del self._entries[claim[:2]]

    def settle(self, kept: KeptAnswer, now: datetime) -> None:
        """Remember what was answered, and drop the oldest where that is too much."""
        with self._lock:
            self._drop(kept.name)
            self._entries[kept.name] = _Entry(kept.digest, kept.answer, now)
            self._bytes += len(kept.answer) + _ENTRY_BYTES
            while self._bytes > REMEMBERED_BYTES:
                self._drop(
                    next(key for key, one in self._entries.items() if one.answer is not None)
                )

    def _recall(self, claim: Claim, now: datetime) -> str | None:
        entry = self._entries.get(claim[:2])
        if entry is None:
            return None
        if entry.digest != claim.digest:
            raise KeyReusedError
        if entry.answer is None:
            raise KeyInProgressError
        if now - entry.at > KEPT:
            self._drop(claim[:2])
            return None
        return entry.answer

    def _drop(self, name: tuple[str, str]) -> None:
        entry = self._entries.pop(name, None)
        if entry is not None and entry.answer is not None:
            self._bytes -= len(entry.answer) + _ENTRY_BYTES


def take_keys(connection: Connection, wanted: Sequence[KeptAnswer], now: datetime) -> LostKeys:
    """Insert answers under their keys; gives those that another request had taken before.

    On PostgreSQL this waits for a transaction that is inserting the same key.
    """
    if not wanted:
        return {}
    ordered = sorted(wanted, key=lambda one: one.name)  # so that none wait in a ring
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    table = idempotency_keys.c
    statement = dialect.insert(idempotency_keys).on_conflict_do_nothing()
    rows = [
        {"owner": o.owner, "key": o.key, "digest": o.digest, "answer": o.answer, "created_at": now}
        for o in ordered
    ]
    taken = connection.execute(statement.values(rows).returning(table.owner, table.key))
    mine = {(row.owner, row.key) for row in taken}
    lost = [one.name for one in ordered if one.name not in mine]
    if not lost:
        return {}
    query = select(table.owner, table.key, table.digest, table.answer)
    found = connection.execute(query.where(tuple_(table.owner, table.key).in_(lost)))
    return {(row.owner, row.key): KeptAnswer(*row) for row in found}


def recent_keys(connection: Connection, now: datetime) -> list[tuple[KeptAnswer, datetime]]:
    """Answers of the last 24 hours with their times, oldest first; READ_AT_START at most."""
    table = idempotency_keys.c
    query = select(table.owner, table.key, table.digest, table.answer, table.created_at)
    newest = query.where(table.created_at > now - KEPT).order_by(table.created_at.desc())
    found = connection.execute(newest.limit(READ_AT_START)).all()
    return [(KeptAnswer(*row[:4]), row.created_at) for row in reversed(found)]


def purge_keys(connection: Connection, now: datetime) -> int:
    """Delete some of the keys that are older than 24 hours; gives how many."""
    table = idempotency_keys.c
    old = select(table.owner, table.key).where(table.created_at < now - KEPT).limit(PURGED_AT_ONCE)
    old = old.with_for_update(skip_locked=True)  # other workers purge too
    name = tuple_(table.owner, table.key)
    return connection.execute(delete(idempotency_keys).where(name.in_(old))).rowcount
