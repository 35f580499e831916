"""The ledger: the only writer of predictions, and on SQLite of all that the service writes.

An answer leaves after its rows are on disk, or not at all (docs/adr/0003).
"""

import asyncio
import json
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from msgspec import Struct
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from uuid_utils import uuid7

from contracts.database import checkpoint
from contracts.params import ClassLabel
from contracts.registry import NothingToRollBackError, UnknownVersionError
from service.decoder import Decoded
from service.groups import GroupWorker, Job
from service.insert import Row, commit_for
from service.metrics import Metrics
from service.predictor import NotFiniteError, Prediction, Predictor, Reading

log = logging.getLogger(__name__)
T = TypeVar("T")

CHECKPOINT_COMMITS = 500
CHECKPOINT_ROWS = 10_000


class LedgerUnavailableError(RuntimeError):
    """Nothing could be made durable, so nothing was answered."""

    def __init__(self) -> None:
        super().__init__("the ledger cannot be written; nothing was recorded, try again")


class Answer(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a request gets back, one entry a row; see predictor.Reading."""

    prediction: list[Prediction]
    probability: list[float] | list[list[float]] | None = None
    interval: list[list[float]] | None = None
    prediction_id: list[str]
    model_version: str


def _answer(reading: Reading, version: str) -> Answer:
    return Answer(
        prediction=reading.prediction,
        probability=reading.probability,
        interval=reading.interval,
        prediction_id=[str(uuid7()) for _ in reading.prediction],
        model_version=version,
    )


class Ledger:
    """Answers predictions and runs other writes, in order, on one thread and one connection."""

    def __init__(
        self, engine: Engine, metrics: Metrics, clock: Callable[[], datetime], **limits: int
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._clock = clock
        self._commit = commit_for(engine)
        self._worker = GroupWorker(self._write, **limits)
        self._connection: Connection | None = None
        self._commits = self._rows = 0  # since the last checkpoint
        self._class_json: dict[ClassLabel, str] = {}
        metrics.ledger_queue.set_function(lambda: self._worker.rows_waiting)

    @property
    def alive(self) -> bool:
        return self._worker.alive

    def start(self) -> None:
        """Start the thread; only inside the event loop that will ask."""
        self._worker.start(asyncio.get_running_loop())

    async def stop(self) -> None:
        """Write what is queued and end."""
        await self._worker.stop()
        self._disconnect()
        await asyncio.to_thread(self._checkpoint)

    def predict(self, predictor: Predictor, decoded: Decoded) -> "asyncio.Future[Answer]":
        """Predict the rows; the future is done once they are on disk.

        Raises:
            QueueFullError: at once. In the future: LedgerUnavailableError, NotFiniteError.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._worker.submit(Job(predictor, len(decoded.features), future, decoded))
        return future

    def run(self, task: Callable[[Connection], T]) -> "asyncio.Future[T]":
        """Run another write in a transaction of its own; the future is done after its commit.

        Raises:
            QueueFullError: at once. In the future: LedgerUnavailableError, what `task` raises.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        # A key of its own makes it a group, and so a transaction, of its own.
        self._worker.submit(Job(object(), 1, future, task))
        return future

    def _write(self, group: Sequence[Job]) -> None:
        key = group[0].key
        try:
            if isinstance(key, Predictor):
                self._answer(key, group)
            else:
                self._run_task(group[0])
        except (SQLAlchemyError, sqlite3.Error):
            log.exception("a group of %d requests could not be written", len(group))
            self._metrics.errors.labels("ledger").inc()
            self._disconnect()  # whatever state it is in, the next group starts afresh
            for job in group:
                job.answer = LedgerUnavailableError()
            return
        self._checkpoint_sometimes(sum(job.rows for job in group))

    def _run_task(self, job: Job) -> None:
        with self._writing().begin() as transaction:
            try:
                job.answer = job.payload(transaction.connection)
            except (UnknownVersionError, NothingToRollBackError) as refused:  # nothing was changed
                job.answer = refused

    def _answer(self, predictor: Predictor, group: Sequence[Job]) -> None:
        group = self._predict(predictor, group)
        now = self._clock()
        rows: list[Row] = []
        for job in group:
            rows += self._rows_of(job, now)
        if not rows:
            return
        started = time.perf_counter()
        self._commit(self._writing(), rows)
        self._metrics.commit_seconds.observe(time.perf_counter() - started)
        self._metrics.group_rows.observe(len(rows))
        self._metrics.count_predictions(
            predictor.version, [label for job in group for label in job.answer.prediction]
        )

    def _predict(self, predictor: Predictor, group: Sequence[Job]) -> list[Job]:
        """One call of the model for the group; leaves out requests without a finite answer."""
        answers = predictor.answers(
            [row for job in group for row in job.payload.numeric],
            [row for job in group for row in job.payload.text],
        )
        answered, start = [], 0
        for job in group:
            own = answers[start : start + job.rows]
            start += job.rows
            try:
                job.reading = predictor.read(own)
            except NotFiniteError as error:
                job.answer = error
                continue
            job.answer = _answer(job.reading, predictor.version)
            answered.append(job)
        return answered

    def _rows_of(self, job: Job, now: datetime) -> list[Row]:
        answer: Answer = job.answer
        reading: Reading = job.reading
        event_time = job.payload.event_time or now
        version, as_json = answer.model_version, self._as_json
        return [
            (prediction_id, now, event_time, version, features, as_json(label), logged, scores)
            for prediction_id, features, label, logged, scores in zip(
                answer.prediction_id,
                job.payload.features,
                answer.prediction,
                reading.logged,
                reading.scores,
                strict=True,
            )
        ]

    def _as_json(self, prediction: Prediction) -> str:
        if isinstance(prediction, float):
            return json.dumps(prediction)
        text = self._class_json.get(prediction)
        if text is None:
            text = self._class_json[prediction] = json.dumps(prediction)
        return text

    def _writing(self) -> Connection:
        if self._connection is None:
            self._connection = self._engine.connect().execution_options(write=True)
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _checkpoint_sometimes(self, rows: int) -> None:
        self._commits += 1
        self._rows += rows
        if self._commits >= CHECKPOINT_COMMITS or self._rows >= CHECKPOINT_ROWS:
            # False = another process is writing: ask again after the next commit.
            if self._checkpoint():
                self._commits = self._rows = 0

    def _checkpoint(self) -> bool:
        """As contracts.database.checkpoint; a failure is told, but fails no answer.

        What it would have copied is on disk already, in the write-ahead log.
        """
        try:
            return checkpoint(self._engine)
        except (SQLAlchemyError, sqlite3.Error, OSError):
            log.exception("the write-ahead log could not be checkpointed")
            self._metrics.errors.labels("checkpoint").inc()
            return False
