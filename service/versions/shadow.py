"""Asking a shadow: another version answers too, later and for nobody but the database.

Nothing waits for it: what it cannot keep up with is dropped and counted (docs/adr/0019).
"""

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Callable
from datetime import datetime
from functools import partial
from threading import Event, Thread
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from contracts.tables import shadow_predictions
from service.answer.decoder import Decoded, InvalidRequestError
from service.ledger.groups import QueueFullError
from service.ledger.store import LedgerUnavailableError
from service.observe.metrics import Metrics
from service.versions.routing import reread
from service.versions.serving import Serving

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.5
QUEUE_ROWS = 20_000
# Small, because a call of the model or the ledger with more would hold up callers.
BATCH_ROWS = 64
# After each batch this many times as long as it took: the interpreter is the callers'.
REST = 4
Run = Callable[[Callable[[Connection], None]], "asyncio.Future[None]"]


class _Asked(NamedTuple):
    """A request that was answered, and the ids of its rows."""

    other: Serving
    alike: bool
    decoded: Decoded
    ids: list[str]


class Shadow:
    """Answers on a thread of its own what `offer` was given.

    Args:
        run: Ledger.run, the only way to write.
        clock: aware UTC.
    """

    def __init__(
        self,
        run: Run,
        metrics: Metrics,
        clock: Callable[[], datetime],
        *,
        queue_rows: int = QUEUE_ROWS,
        pause_seconds: float = PAUSE_SECONDS,
    ) -> None:
        self._run = run
        self._metrics = metrics
        self._clock = clock
        self._queue_rows = queue_rows
        self._pause_seconds = pause_seconds
        self._waiting: deque[_Asked] = deque()
        # The loop only writes the first, the thread the second: no lock is needed.
        self._rows_in = self._rows_out = 0
        self._stop = Event()
        self._thread = Thread(target=self._watch, name="shadow", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Start the thread; only inside the event loop that the ledger runs in."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """Answer what waits, then end; blocks, so not in the event loop."""
        self._stop.set()
        self._thread.join()

    def offer(self, other: Serving, alike: bool, decoded: Decoded, ids: list[str]) -> None:
        """Have another version asked too; only from the event loop, returns at once.

        Args:
            alike: whether it reads rows as the version that decoded them.
            ids: of the answered rows, in the rows' order.
        """
        if self._rows_in - self._rows_out + len(ids) > self._queue_rows:
            self._drop("queue_full", len(ids))
            return
        self._rows_in += len(ids)
        # The thread looks by itself: to wake it would cost the loop a switch a request.
        self._waiting.append(_Asked(other, alike, decoded, ids))

    def _watch(self) -> None:
        while not self._stop.wait(self._pause_seconds):
            self._work()
        self._work()

    def _work(self) -> None:
        while self._waiting:
            started = time.perf_counter()
            batch = self._take()
            rows = sum(len(asked.ids) for asked in batch)
            try:
                self._answer(batch[0].other, batch)
            except Exception:  # a fault of the shadow's version must not end the thread
                log.exception("a shadow could not answer %d rows", rows)
                self._drop("failed", rows)
            self._rows_out += rows
            self._stop.wait(REST * (time.perf_counter() - started))

    def _take(self) -> list[_Asked]:
        """What waits longest, and what follows it for the same version."""
        batch = [self._waiting.popleft()]
        rows = len(batch[0].ids)
        while self._waiting and self._waiting[0].other is batch[0].other and rows < BATCH_ROWS:
            batch.append(self._waiting.popleft())
            rows += len(batch[-1].ids)
        return batch

    def _answer(self, other: Serving, batch: list[_Asked]) -> None:
        read = self._read(other, batch)
        ids = [prediction_id for asked in read for prediction_id in asked.ids]
        if not ids:
            return
        answers = other.predictor.answers(
            [row for asked in read for row in asked.decoded.numeric],
            [row for asked in read for row in asked.decoded.text],
        )
        finite: list[int] = np.flatnonzero(np.isfinite(answers).all(axis=1)).tolist()
        self._drop("not_finite", len(ids) - len(finite))
        if not finite:
            return
        reading = other.predictor.read(answers[finite])
        kept = [ids[i] for i in finite]
        now = self._clock()
        told = zip(kept, reading.prediction, reading.logged, reading.scores, strict=True)
        self._store(
            [
                {
                    "prediction_id": prediction_id,
                    "model_version": other.version,
                    "predicted_at": now,
                    "prediction": json.dumps(prediction),
                    "probability": logged,
                    "scores": scores,
                }
                for prediction_id, prediction, logged, scores in told
            ]
        )

    def _read(self, other: Serving, batch: list[_Asked]) -> list[_Asked]:
        """The requests as the other version reads them, without those that it refuses."""
        read = []
        for asked in batch:
            try:
                decoded = asked.decoded if asked.alike else reread(asked.decoded, other.decoder)
                read.append(asked._replace(decoded=decoded))
            except InvalidRequestError:
                self._drop("refused", len(asked.ids))
        return read

    def _store(self, rows: list[dict[str, Any]]) -> None:
        """Write rows and wait, so that there is never more than one such write in the ledger."""
        if not rows or self._loop is None:
            return
        try:
            asyncio.run_coroutine_threadsafe(self._insert(rows), self._loop).result()
        except (QueueFullError, LedgerUnavailableError):
            self._drop("ledger", len(rows))
        else:
            self._metrics.shadow_rows.inc(len(rows))

    async def _insert(self, rows: list[dict[str, Any]]) -> None:
        await self._run(partial(insert_shadow_rows, rows=rows))

    def _drop(self, reason: str, rows: int) -> None:
        if rows:
            self._metrics.shadow_dropped.labels(reason).inc(rows)


def insert_shadow_rows(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Insert rows of shadow_predictions; a repeated request's are there already."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    connection.execute(dialect.insert(shadow_predictions).on_conflict_do_nothing(), rows)
