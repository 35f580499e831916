"""The ledger: the only writer of predictions, and on SQLite of all that the service writes.

An answer leaves after its rows are on disk, or not at all (docs/adr/0003, 0017).
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from contracts.errands import NotWaitingError, OpenErrandError
from contracts.registry import NothingToRollBackError, UnknownVersionError
from contracts.settings import Settings
from contracts.traffic import RefusedRuleError
from service.answer.decoder import Decoded
from service.answer.predictor import NotFiniteError, Predictor
from service.ledger.answers import Answer, answer_group, decode_answer, keep_answer, rows_of
from service.ledger.batch import Batch, KeptAnswer, decode
from service.ledger.groups import Done, GroupWorker, Job, QueueFullError, into
from service.ledger.health import Counts, LedgerCollector, describe
from service.ledger.idempotency import Claim, KeyMemory, KeyReusedError, LostKeys, recent_keys
from service.ledger.insert import Row
from service.ledger.outcomes import Outcome, Result
from service.ledger.slots import slots_with_records
from service.ledger.spool import open_spool
from service.ledger.store import LedgerUnavailableError, Store
from service.observe.metrics import Metrics

log = logging.getLogger(__name__)
T = TypeVar("T")
# Of a task that changed nothing: its caller is told, the ledger is well.
REFUSALS = (
    NothingToRollBackError,
    NotWaitingError,
    OpenErrandError,
    RefusedRuleError,
    UnknownVersionError,
)


class _Outcomes:
    """Marks jobs that hold outcomes."""


class Ledger:
    """Answers predictions and runs other writes, in order, on one thread and one connection."""

    def __init__(
        self,
        engine: Engine,
        metrics: Metrics,
        clock: Callable[[], datetime],
        settings: Settings,
        **limits: int,
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._clock = clock
        self._settings = settings
        self._worker = GroupWorker(self._write, on_idle=self._rest, **limits)
        self._started: Store | None = None
        self._keys = KeyMemory()
        self._counts = Counts()
        metrics.ledger_queue.set_function(lambda: self._worker.rows_waiting)
        metrics.registry.register(LedgerCollector(self.health))

    @property
    def alive(self) -> bool:
        return self._worker.alive

    def may_hold_unknown(self) -> bool:
        """Whether rows wait in a spool, of this process or another, that nobody can read yet."""
        return bool(slots_with_records(self._settings.spool_dir))

    @property
    def _store(self) -> Store:
        if self._started is None:
            raise LedgerUnavailableError
        return self._started

    def health(self) -> dict[str, Any]:
        """How the ledger is; see ledger_health.describe."""
        if self._started is None:
            return {}
        return describe(self._started, self._counts, self._settings.durability, self._clock())

    def start(self) -> None:
        """Open the spool and start the threads; only inside the event loop that will ask.

        Raises:
            SpoolUnusableError: its directory cannot be written.
        """
        settings = self._settings
        spool = open_spool(settings.spool_dir, settings.spool_max_bytes // settings.workers)
        self._remember_keys()
        for payload in spool.keyed():
            with suppress(msgspec.MsgspecError):  # the replay tells of it, and puts it aside
                batch = decode(payload)
                for kept in batch.keys:
                    self._keys.settle(kept, batch.at)
        self._started = Store(self._engine, spool, self._metrics, self._clock, settings)
        self._started.start()
        self._worker.start(asyncio.get_running_loop())

    def _remember_keys(self) -> None:
        """The database may be away when a request is repeated that another process answered."""
        try:
            with self._engine.connect() as connection:
                for kept, at in recent_keys(connection, self._clock()):
                    self._keys.settle(kept, at)
        except SQLAlchemyError:
            log.exception("the idempotency keys of the last day could not be read")

    async def stop(self) -> None:
        """Write what is queued and end."""
        await self._worker.stop()
        await asyncio.to_thread(self._store.stop)

    def recall(self, claim: Claim) -> Answer | None:
        """The answer that a request's key has already, as far as this process knows.

        Raises:
            KeyReusedError, KeyInProgressError: it cannot be answered.
        """
        answer = self._keys.recall(claim, self._clock())
        return None if answer is None else decode_answer(answer)

    def predict(
        self, predictor: Predictor, decoded: Decoded, claim: Claim | None = None
    ) -> "asyncio.Future[Answer]":
        """Predict the rows; the future is done once they are on disk.

        Args:
            claim: with it, a repeated request gets its first answer.

        Raises:
            QueueFullError, KeyReusedError, KeyInProgressError: at once. In the future:
                LedgerUnavailableError, NotFiniteError, KeyReusedError.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        job = Job(predictor, len(decoded.features), into(future), decoded)
        if claim is None:
            self._worker.submit(job)
            return future
        answer = self._keys.begin(claim, self._clock())
        if answer is not None:
            future.set_result(decode_answer(answer))
            return future
        job.claim = claim
        try:
            self._worker.submit(job)
        except QueueFullError:
            self._keys.release(claim)
            raise
        return future

    def predict_then(self, done: Done, predictor: Predictor, decoded: Decoded) -> None:
        """As predict, without a key; `done` is called with the answer, or what it would raise.

        Raises:
            QueueFullError: at once; `done` will not be called.
        """
        self._worker.submit(Job(predictor, len(decoded.features), done, decoded))

    def run(self, task: Callable[[Connection], T]) -> "asyncio.Future[T]":
        """Run another write in a transaction of its own; the future is done after its commit.

        Raises:
            QueueFullError: at once. In the future: LedgerUnavailableError, what `task` raises.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        # A key of its own makes it a group, and so a transaction, of its own.
        self._worker.submit(Job(object(), 1, into(future), task))
        return future

    def record(self, outcomes: Sequence[Outcome]) -> "asyncio.Future[list[Result]]":
        """Record outcomes, or accept them while the database is away; raises as `run`."""
        future: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        self._worker.submit(Job(_Outcomes(), 1, into(future), outcomes))
        return future

    def _write(self, group: Sequence[Job]) -> None:
        key = group[0].key
        try:
            if isinstance(key, Predictor):
                self._answer(key, group)
            elif isinstance(key, _Outcomes):
                group[0].answer = self._store.keep_outcomes(group[0].payload)
            else:
                group[0].answer = self._store.run(group[0].payload)
        except (LedgerUnavailableError, *REFUSALS) as error:
            for job in group:
                job.answer = error
        finally:
            for job in group:
                if job.claim is not None:
                    self._keys.release(job.claim)  # it stays where it was answered

    def _rest(self) -> None:
        if self._started is not None:
            self._started.empty_log()

    def _answer(self, predictor: Predictor, group: Sequence[Job]) -> None:
        group, model_seconds = self._ask(predictor, group)
        now = self._clock()
        rows: list[Row] = []
        keys: list[KeptAnswer] = []
        for job in group:
            start = len(rows)
            rows += rows_of(job, now)
            if job.claim is not None:
                keys.append(keep_answer(job.claim, job.answer, start, len(rows)))
        if not rows:
            return
        started = time.perf_counter()
        lost = self._store.keep(Batch(now, rows, keys))
        self._metrics.commit_seconds.observe(time.perf_counter() - started)
        self._metrics.group_rows.observe(len(rows))
        if keys:
            group = self._settle(group, keys, lost, now)
        self._count(predictor, group, model_seconds)

    def _ask(self, predictor: Predictor, group: Sequence[Job]) -> tuple[list[Job], float]:
        """The jobs that the model answers, and its processor time; the others are counted."""
        answered: list[Job] = []
        started = time.thread_time()
        try:
            answered = answer_group(predictor, group)
        finally:
            if len(answered) < len(group):
                not_finite = sum(isinstance(job.answer, NotFiniteError) for job in group)
                failed = len(group) - len(answered) - not_finite
                self._metrics.asked.note_unanswered(predictor.version, failed, not_finite)
        return answered, time.thread_time() - started

    def _settle(
        self, group: Sequence[Job], keys: Sequence[KeptAnswer], lost: LostKeys, now: datetime
    ) -> list[Job]:
        """Remember what keys were answered; gives the jobs whose own rows were written."""
        for kept in keys:
            self._keys.settle(lost.get(kept.name, kept), now)
        own = []
        for job in group:
            first = lost.get(job.claim[:2]) if job.claim is not None else None
            if first is None:
                own.append(job)
            elif first.digest == job.claim.digest:
                job.answer = decode_answer(first.answer)
            else:
                job.answer = KeyReusedError()
        return own

    def _count(self, predictor: Predictor, group: Sequence[Job], model_seconds: float) -> None:
        labels = [label for job in group for label in job.answer.prediction]
        if labels:
            self._metrics.count_predictions(predictor.version, labels)
            rows = len(labels)
            self._metrics.asked.note_answered(predictor.version, len(group), rows, model_seconds)
        store = self._store
        self._counts = Counts(self._counts.answered + len(labels), store.stored, store.spooled)
