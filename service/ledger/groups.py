"""Micro-batching by natural back-pressure: what arrives while a group is written is the next one.

One thread, no timer: a lone job waits for nobody. The ledger says how a group is written.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

log = logging.getLogger(__name__)

# So long nothing was asked: the writer may tidy up, before it answers again.
IDLE_SECONDS = 1.0


class QueueFullError(RuntimeError):
    """Too much waits already; the caller should come back later."""

    def __init__(self) -> None:
        super().__init__("too many requests are waiting; try again in a second")


# Takes an answer, or the exception that came instead.
Done = Callable[[Any], None]


class Job:
    """One caller that waits. Jobs whose `key` is the same object may share a group."""

    __slots__ = ("answer", "claim", "done", "key", "payload", "reading", "rows")

    def __init__(self, key: object, rows: int, done: "Done | None", payload: Any = None) -> None:
        self.key = key
        self.rows = rows
        self.done = done  # called in the loop's thread with the answer; must not raise
        self.payload = payload  # what is to be written; the worker does not look at it
        self.claim: Any = None  # idempotency.Claim of a request with a key
        self.reading: Any = None  # the writer's own note
        self.answer: Any = None  # set by the writer: a value, or an exception to raise


_STOP = Job(object(), 0, None)


class GroupWorker:
    """Takes jobs from one event loop and hands them to `write` in groups, in their order.

    Args:
        write: sets `answer` of every job of a group; runs in the worker's thread.
        group_rows: a group is closed at this many rows.
        on_idle: called in that thread where nothing came for IDLE_SECONDS; must not raise.
        queue_rows, queue_jobs: more than this waiting is refused.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Any]], None],
        *,
        on_idle: Callable[[], None] = lambda: None,
        group_rows: int = 4096,
        queue_rows: int = 100_000,
        queue_jobs: int = 10_000,
    ) -> None:
        self._write = write
        self._on_idle = on_idle
        self._group_rows = group_rows
        self._queue_rows = queue_rows
        self._queue_jobs = queue_jobs
        # One hand-over per turn of the loop, not per request: each one may cost a thread switch.
        self._batch: list[Job] = []
        self._queue: SimpleQueue[list[Job]] = SimpleQueue()
        self._taken: deque[Job] = deque()  # from the queue, not yet in a group
        # The loop only writes the first of each, the thread the second: no lock is needed.
        self._rows_in = self._rows_out = 0
        self._jobs_in = self._jobs_out = 0
        self._stopped = False
        self._thread = Thread(target=self._run, name="ledger", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def rows_waiting(self) -> int:
        return self._rows_in - self._rows_out

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Queue a job; only from the event loop's thread.

        Raises:
            QueueFullError: nothing was queued.
        """
        if (
            self._loop is None
            or self._stopped
            or self.rows_waiting + job.rows > self._queue_rows
            or self._jobs_in - self._jobs_out >= self._queue_jobs
        ):
            raise QueueFullError
        self._rows_in += job.rows
        self._jobs_in += 1
        if not self._batch:
            self._loop.call_soon(self._hand_over)
        self._batch.append(job)

    async def stop(self) -> None:
        """Write what is queued, then end the thread."""
        self._stopped = True
        self._batch.append(_STOP)
        self._hand_over()
        await asyncio.to_thread(self._thread.join)

    def _hand_over(self) -> None:
        if self._batch:
            batch, self._batch = self._batch, []
            self._queue.put(batch)

    def _run(self) -> None:
        while True:
            group = self._take()
            if group[0] is _STOP:
                return
            try:
                self._write(group)
            except Exception as error:  # the thread must outlive any fault: without it, no answers
                log.exception("a group of %d was not written", len(group))
                for job in group:
                    job.answer = error
            self._rows_out += sum(job.rows for job in group)
            self._jobs_out += len(group)
            self._deliver(group)

    def _take(self) -> list[Job]:
        """Wait for a job, then take all that wait with it and may share its group."""
        taken = self._taken
        while not taken:
            try:
                taken.extend(self._queue.get(timeout=IDLE_SECONDS))
            except Empty:
                self._on_idle()
        while not self._queue.empty():
            taken.extend(self._queue.get())
        group = [taken.popleft()]
        rows = group[0].rows
        while taken and rows < self._group_rows and taken[0].key is group[0].key:
            group.append(taken.popleft())
            rows += group[-1].rows
        return group

    def _deliver(self, group: list[Job]) -> None:
        if self._loop is None or self._loop.is_closed():
            return
        self._loop.call_soon_threadsafe(_resolve, group)


def into(future: "asyncio.Future[Any]") -> Done:
    """What hands a job's answer to a future."""

    def done(answer: Any) -> None:
        if future.done():  # the client went away
            return
        if isinstance(answer, BaseException):
            future.set_exception(answer)
        else:
            future.set_result(answer)

    return done


def _resolve(group: list[Job]) -> None:
    for job in group:
        if job.done is None:
            continue
        try:
            job.done(job.answer)
        except Exception:  # the answers of others must not hang on this one
            log.exception("an answer was not delivered")
