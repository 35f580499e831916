"""Where a group becomes durable: in the database, or in the spool while that cannot be written.

Only the ledger's thread calls keep, keep_outcomes, run and empty_log.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from contracts.database import checkpoint, is_empty_log_wished, make_engine
from contracts.settings import Settings
from service.ledger.batch import Batch, encode, microseconds
from service.ledger.drain import TRANSACTION_SECONDS, Drain
from service.ledger.idempotency import LostKeys, take_keys
from service.ledger.insert import commit_for, insert_rows
from service.ledger.outcomes import Outcome, Result, accept_outcomes, record_outcomes
from service.ledger.spool import Spool, SpoolFullError, SpoolWriteError
from service.ledger.watchdog import Watchdog
from service.observe.metrics import Metrics

log = logging.getLogger(__name__)
T = TypeVar("T")

CHECKPOINT_COMMITS = 2000
# Whoever waits behind a checkpoint waits as long as it has rows to copy: 8 ms for 10,000, and a p99
# of 3.4 instead of 2.6 ms at 16 connections.
CHECKPOINT_ROWS = 1_500
# How often it is asked whether others, who have deleted much, want the log emptied.
LOOK_SECONDS = 0.25
TIDY_SECONDS = 5.0  # after somebody's reading kept the log from being emptied
# Promotions and outcomes are rarer than groups, and larger.
TASK_PATIENCES = 4


class LedgerUnavailableError(RuntimeError):
    """Nothing could be made durable, so nothing was answered."""

    def __init__(self) -> None:
        super().__init__("the ledger cannot be written; nothing was recorded, try again")


class Store:
    """The ledger's connection, its spool, and the choice between them.

    Attributes:
        stored: rows that the database took directly since the start.
        spooled: rows that the spool took since the start.
    """

    def __init__(
        self,
        engine: Engine,
        spool: Spool,
        metrics: Metrics,
        clock: Callable[[], datetime],
        settings: Settings,
    ) -> None:
        """`engine` only says which database."""
        self.stored = self.spooled = 0
        self.spool = spool
        self._patience = settings.commit_patience_seconds
        self._fast = settings.durability == "fast" and engine.dialect.name == "sqlite"
        self._engine = _own_engine(engine, self._patience)
        self._errors = (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error)
        self._commit_rows = commit_for(engine)
        self._metrics = metrics
        self._clock = clock
        self._watchdog = Watchdog(self._engine)
        self._connection: Connection | None = None
        self._commits = self._rows = 0  # since the last checkpoint
        self._look_at = self._tidy_at = 0.0
        draining = _own_engine(engine, self._patience)
        self.drain = Drain(draining, spool, self._patience, self._connect, clock)

    def start(self) -> None:
        # A process that is killed again and again would never come to it, and its log only grow.
        self._checkpoint()
        self._watchdog.start()
        with suppress(*self._errors):  # the first group will find out
            self._connect()
        self.drain.start()

    def stop(self) -> None:
        """Only after the ledger's thread has ended."""
        self.drain.stop()
        self._disconnect()
        self._watchdog.stop()
        self._checkpoint()
        self.spool.close()
        self._engine.dispose()

    def keep(self, batch: Batch) -> LostKeys:
        """Make a batch durable, except rows whose key was answered before: those answers it gives.

        Raises:
            LedgerUnavailableError: neither the database nor the spool took it.
        """
        if self._append_if_in_use(batch):
            return {}
        try:
            lost, stored = self._commit(batch)
        except self._errors:
            self._note_failure()
            with self.spool.turn():
                self._append(batch)
            return {}
        self.stored += stored
        self._checkpoint_sometimes(stored)
        return lost

    def keep_outcomes(self, outcomes: Sequence[Outcome]) -> list[Result]:
        """Record outcomes, or accept them for later.

        Raises:
            LedgerUnavailableError: neither was possible.
        """
        now = self._clock()
        accepted, results = accept_outcomes(outcomes)
        batch = Batch(now, [], [], accepted)
        if self._append_if_in_use(batch):
            return results
        with suppress(LedgerUnavailableError):
            return self.run(partial(record_outcomes, given=outcomes, now=now))
        with self.spool.turn():
            self._append(batch)
        return results

    def run(self, task: Callable[[Connection], T]) -> T:
        """Run another write in a transaction of its own.

        Raises:
            LedgerUnavailableError: the database did not take it. Also what `task` raises.
        """
        if self.spool.in_use:
            raise LedgerUnavailableError
        try:
            with self._watchdog.limit(TASK_PATIENCES * self._patience):
                with self._connect().begin() as transaction:
                    result = task(transaction.connection)
        except self._errors as error:
            # No reason to spool: that is for rows, and the next group of them will find out.
            self._note_failure()
            raise LedgerUnavailableError from error
        self._checkpoint_sometimes(1)
        return result

    def empty_log(self) -> None:
        """Nothing is asked just now: whatever was deleted shall not stay in SQLite's log."""
        log = Path(f"{self._engine.url.database}-wal")
        if self._engine.dialect.name != "sqlite" or time.monotonic() < self._tidy_at:
            return
        if log.exists() and log.stat().st_size and not self._checkpoint(truncate=True):
            self._tidy_at = time.monotonic() + TIDY_SECONDS

    def _commit(self, batch: Batch) -> tuple[LostKeys, int]:
        """Gives the answers of lost keys, and how many rows the database took."""
        with self._watchdog.limit(self._patience):
            connection = self._connect()
            if not batch.keys:
                return {}, self._commit_rows(connection, batch.rows)
            with connection.begin():
                lost = take_keys(connection, batch.keys, batch.at)
                return lost, insert_rows(connection, batch.rows_without(lost))

    def _append_if_in_use(self, batch: Batch) -> bool:
        with self.spool.turn():
            if self.spool.in_use:
                self._append(batch)
                return True
        return False

    def _append(self, batch: Batch) -> None:
        payload, rows, keys = encode(batch), len(batch.rows), len(batch.keys)
        try:
            self.spool.append(payload, rows, keys, microseconds(batch.at))
        except (SpoolFullError, SpoolWriteError) as error:
            log.error("%s", error)
            self._metrics.errors.labels("spool").inc()
            raise LedgerUnavailableError from error
        finally:
            if not self.spool.in_use:
                self.spool.in_use = True
                self.drain.begin()
        self.spooled += rows

    def _note_failure(self) -> None:
        log.exception("the database did not take a group in time")
        self._metrics.errors.labels("ledger").inc()
        self._disconnect()  # whatever state it is in

    def _connect(self) -> Connection:
        """Also called by the drain, just before the ledger writes to the database again."""
        if self._connection is not None:
            return self._connection
        with self._watchdog.limit(TRANSACTION_SECONDS):
            connection = self._engine.connect().execution_options(write=True)
        if self._fast:
            connection.connection.cursor().execute("PRAGMA synchronous=NORMAL")
        self._connection = connection
        return connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _checkpoint_sometimes(self, rows: int) -> None:
        self._commits += 1
        self._rows += rows
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + LOOK_SECONDS
            if is_empty_log_wished(self._engine):
                self._checkpoint(truncate=True)
        if self._commits >= CHECKPOINT_COMMITS or self._rows >= CHECKPOINT_ROWS:
            # False = another process is writing: ask again after the next commit.
            if self._checkpoint():
                self._commits = self._rows = 0

    def _checkpoint(self, *, truncate: bool = False) -> bool:
        """As contracts.database.checkpoint; a failure is told, but fails no answer.

        What it would have copied is on disk already, in the write-ahead log.
        """
        try:
            return checkpoint(self._engine, truncate=truncate)
        except (SQLAlchemyError, sqlite3.Error, OSError):
            log.exception("the write-ahead log could not be checkpointed")
            self._metrics.errors.labels("checkpoint").inc()
            return False


def _own_engine(engine: Engine, patience_seconds: float) -> Engine:
    """Another engine for the same database: what others do to their connections is theirs."""
    url = engine.url.render_as_string(hide_password=False)
    return make_engine(url, busy_seconds=patience_seconds, pre_ping=False)
