"""Empties the spool on a thread and a connection of its own, and says when it is no longer needed.

Only this thread leads back from the spool to the database; only the ledger leads there.
"""

import logging
import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Event, Thread

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from contracts.database import checkpoint, write_transaction
from service.ledger.idempotency import PURGED_AT_ONCE, purge_keys
from service.ledger.replay import Replayed, replay
from service.ledger.slots import hold_slot, slots_with_records
from service.ledger.spool import Spool
from service.ledger.watchdog import Watchdog

log = logging.getLogger(__name__)

# Replaying may take what a group may not: long.
TRANSACTION_SECONDS = 5.0
# The time after a transaction in which others have the processor, as a share of what it took.
BREATH = 0.5
IDLE_SECONDS = 1.0
PROBE_SECONDS = 0.05
PURGE_SECONDS = 60.0
STOP_SECONDS = 5.0
HURRY_SECONDS = 1.0
# So few that the ledger may wait for them: they end the chase after what arrives meanwhile.
REMAINDER_ROWS = 500
CHECKPOINT_ROWS = 10_000
# Whoever fails again so soon after the way back has to be well for longer before the next one.
RELAPSE_SECONDS = 10.0
LONGEST_CALM_SECONDS = 30.0
ERRORS = (SQLAlchemyError, sqlite3.Error, OSError)


class Drain:
    """Replays the spool of this process, then those that nobody holds.

    Attributes:
        total: what became of all that was replayed since the start.
    """

    def __init__(
        self,
        engine: Engine,
        spool: Spool,
        patience_seconds: float,
        connect_ledger: Callable[[], object],
        clock: Callable[[], datetime],
    ) -> None:
        self.total = Replayed()
        self._engine = engine
        self._spool = spool
        self._patience_seconds = patience_seconds
        self._connect_ledger = connect_ledger
        self._clock = clock
        self._watchdog = Watchdog(engine)
        self._wake = Event()
        self._stopped = False
        self._failures = 0
        self._rows_to_checkpoint = 0
        self._trusted_at = float("-inf")
        self._calm_until = self._purge_at = time.monotonic()
        self._calm_seconds = 0.0
        # Keeps workers from coming back all at once; each has a spool of its own.
        self._jitter = random.Random(spool.id)  # noqa: S311
        self._thread = Thread(target=self._run, name="drain", daemon=True)

    def start(self) -> None:
        self._watchdog.start()
        self._thread.start()

    def stop(self) -> None:
        """Replay what waits if the database is well, for STOP_SECONDS at most, and end."""
        self._stopped = True
        self._wake.set()
        self._watchdog.hurry(HURRY_SECONDS)
        self._thread.join(STOP_SECONDS + TRANSACTION_SECONDS)
        self._watchdog.stop()
        self._engine.dispose()

    def begin(self) -> None:
        """The ledger turned to the spool."""
        now = time.monotonic()
        relapsed = now - self._trusted_at < RELAPSE_SECONDS
        longer = min(max(2 * self._calm_seconds, 0.5), LONGEST_CALM_SECONDS)
        self._calm_seconds = longer if relapsed else 0.0
        self._calm_until = now + self._calm_seconds
        self._wake.set()

    def _run(self) -> None:
        delay = 0.0
        while not self._stopped:
            self._wake.wait(delay)
            self._wake.clear()
            try:
                delay = self._step()
                self._failures = 0
            except ERRORS as error:
                delay = self._back_off(error)
        if not self._failures:
            self._replay_at_the_end()

    def _step(self) -> float:
        """Do what is next; gives the seconds until the step after it."""
        if not self._spool.in_use:
            return self._do_housework()
        started = time.monotonic()
        few = self._spool.rows <= REMAINDER_ROWS
        self._replay_some(self._spool, TRANSACTION_SECONDS)
        took = time.monotonic() - started
        self._checkpoint_sometimes()
        if few and took < self._patience_seconds and time.monotonic() >= self._calm_until:
            self._connect_ledger()
            self._go_direct()
        return took * BREATH if self._spool.waiting else max(took * BREATH, PROBE_SECONDS)

    def _replay_some(self, spool: Spool, seconds: float) -> None:
        if not spool.waiting:
            with self._transaction(seconds) as connection:  # can it be written at all?
                connection.execute(text("SELECT 1"))
            return
        replayed = replay(spool, partial(self._transaction, seconds))
        self.total.add(replayed)
        self._rows_to_checkpoint += replayed.rows

    def _go_direct(self) -> None:
        """Replay the last rows while nothing new can come, and end the use of the spool."""
        with self._spool.pause():
            started = time.monotonic()
            while self._spool.waiting:
                self._replay_some(self._spool, self._patience_seconds)
            if time.monotonic() - started < self._patience_seconds:
                self._spool.rest()
                self._trusted_at = time.monotonic()
                log.info("the database takes new rows again; %d were replayed", self.total.rows)

    def _do_housework(self) -> float:
        directory = self._spool.slot.parent
        for slot in slots_with_records(directory):
            if slot != self._spool.slot:
                self._adopt(slot)
        if time.monotonic() >= self._purge_at:
            return self._purge()
        return IDLE_SECONDS

    def _adopt(self, slot: Path) -> None:
        """Replay what a dead process left, if it is dead."""
        held = hold_slot(slot)
        if held is None:
            return
        other = Spool(slot, held, self._spool.max_bytes)
        try:
            log.info("replaying %d rows that another process left", other.rows)
            while other.waiting and not (self._stopped or self._spool.in_use):
                self._replay_some(other, TRANSACTION_SECONDS)
            if not other.waiting:
                other.rest()
        finally:
            other.close()

    def _purge(self) -> float:
        with self._transaction(TRANSACTION_SECONDS) as connection:
            purged = purge_keys(connection, self._clock())
        if purged == PURGED_AT_ONCE:
            return PROBE_SECONDS  # there are more, but others want the database too
        self._purge_at = time.monotonic() + PURGE_SECONDS
        return IDLE_SECONDS

    def _checkpoint_sometimes(self) -> None:
        """While the spool is in use the ledger does not write, so this thread may checkpoint."""
        if self._rows_to_checkpoint >= CHECKPOINT_ROWS and checkpoint(self._engine):
            self._rows_to_checkpoint = 0

    def _replay_at_the_end(self) -> None:
        end = time.monotonic() + STOP_SECONDS
        with suppress(*ERRORS):
            while self._spool.waiting and time.monotonic() < end:
                self._replay_some(self._spool, HURRY_SECONDS)
            if not self._spool.waiting:  # the ledger's thread has ended
                self._spool.rest()

    def _back_off(self, error: Exception) -> float:
        if self._failures == 0:
            cause = str(getattr(error, "orig", error)).strip().split("\n")[0]
            log.error("the database cannot be written, rows are kept in the spool: %s", cause)
        self._failures += 1
        self._engine.dispose()  # whatever state its connections are in
        longest = min(2.0, 0.1 * 2 ** min(self._failures - 1, 10))
        return self._jitter.uniform(longest / 2, longest)

    @contextmanager
    def _transaction(self, seconds: float) -> Iterator[Connection]:
        with self._watchdog.limit(seconds), write_transaction(self._engine) as connection:
            yield connection
