"""The valid keys, in memory: a snapshot that a thread renews, so that no request asks a database.

A revoked key is gone from every process within a second. While the database is away the last
snapshot stays, and `problem` says so.
"""

import json
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from threading import Event, Thread
from typing import Any, NamedTuple

from sqlalchemy import Engine, Row
from sqlalchemy.exc import SQLAlchemyError

from service.access.caller import Caller
from service.access.key_store import valid_keys

log = logging.getLogger(__name__)

POLL_SECONDS = 0.25
STALE_SECONDS = 5.0


class Entry(NamedTuple):
    """One valid key or token; `expires` in seconds since 1970, infinity = never."""

    digest: bytes
    caller: Caller
    expires: float


class KeyRing:
    """Polls the database on a thread.

    Attributes:
        entries: digest -> Entry. Replaced as a whole, never changed.
        by_id: key_id -> Entry. As entries.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime]) -> None:
        self.entries: Mapping[bytes, Entry] = {}
        self.by_id: Mapping[str, Entry] = {}
        self._engine = engine
        self._clock = clock
        self._rows: list[Row[Any]] = []
        self._read_at = time.monotonic()
        self._failing = False
        self._stop = Event()
        self._thread = Thread(target=self._watch, name="keys", daemon=True)

    @property
    def age_seconds(self) -> float:
        """Since the keys were last read."""
        return time.monotonic() - self._read_at

    @property
    def problem(self) -> str | None:
        """Why the keys may be out of date; None = they are not."""
        age = self.age_seconds
        if age < STALE_SECONDS:
            return None
        return f"the keys were last read {age:.0f} s ago; revoked ones may still be let in"

    def start(self) -> None:
        """Read the keys, then keep reading; blocks for the first time."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def look(self) -> None:
        """Read the keys now; while that fails, those that were read last stay valid."""
        try:
            with self._engine.connect() as connection:
                rows = valid_keys(connection, self._clock())
            if rows != self._rows:
                self.entries = {entry.digest: entry for entry in map(_entry, rows)}
                self.by_id = {entry.caller.key_id: entry for entry in self.entries.values()}
                self._rows = rows
        except (SQLAlchemyError, sqlite3.Error, ValueError, TypeError) as error:
            if not self._failing:  # told once, not at every poll while it lasts
                log.warning("the keys could not be read: %s", type(error).__name__)
            self._failing = True
            return
        self._failing = False
        self._read_at = time.monotonic()

    def _watch(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            self.look()


def _entry(row: Row[Any]) -> Entry:
    scopes = frozenset(json.loads(row.scopes))
    caller = Caller(row.key_id, row.name, scopes, row.rate, row.quota, row.prefix)
    expires = float("inf") if row.expires_at is None else row.expires_at.timestamp()
    return Entry(bytes.fromhex(row.digest), caller, expires)
