"""Scores a file beside the requests: part by part, each logged before the next; survives the tab.

What has been answered is written down with each part, so every worker and replica can show it.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert, update
from uuid_utils import uuid7

from contracts.tables import scoring_parts, scorings
from service.access.caller import Caller
from service.access.limits import LimitReachedError
from service.answer.answering import Answering, Question
from service.answer.decoder import InvalidRequestError
from service.answer.predictor import NotFiniteError
from service.ledger.groups import QueueFullError
from service.ledger.store import LedgerUnavailableError
from service.versions.champion import NoChampionError

AT_ONCE = 1000  # rows that a page waits for; more are scored beside it
MOST_FILES = 4  # that a process scores at the same time: each is in memory
PART = 500  # rows of one request
TRIES, WAIT_SECONDS = 60, 0.5  # while others fill the queue
RUNNING, DONE, FAILED = "running", "done", "failed"
STOPPED = "the service was stopped; send the rest again"
BROKEN = "it failed; the log of the service has why"
Run = Callable[[Callable[[Connection], Any]], "asyncio.Future[Any]"]
_REFUSALS = (
    InvalidRequestError,
    LedgerUnavailableError,
    LimitReachedError,
    NoChampionError,
    NotFiniteError,
    QueueFullError,
)


class BusyError(RuntimeError):
    """Too many files are being scored."""

    def __init__(self) -> None:
        super().__init__(f"{MOST_FILES} files are being scored; send this one when one is done")


class Scorings:
    """Files that this process scores.

    Args:
        run: a write in a transaction of its own, as Ledger.run.
        most_rows: that one request may have.
    """

    def __init__(
        self, answering: Answering, run: Run, clock: Callable[[], datetime], most_rows: int
    ) -> None:
        self._answering = answering
        self._part = min(PART, most_rows)
        self._run = run
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self, rows: list[object], caller: Caller) -> str:
        """Write down that it has begun, and go on beside whoever asks; returns its id.

        Raises:
            BusyError: others have not ended yet.
        """
        if self.running >= MOST_FILES:
            raise BusyError
        scoring_id = str(uuid7())
        row = {"scoring_id": scoring_id, "asked_at": self._clock(), "actor": caller.actor[:200],
               "rows": len(rows), "state": RUNNING}  # fmt: skip
        await self._run(lambda connection: connection.execute(insert(scorings).values(row)))
        self._keep(self._score(scoring_id, rows, caller))
        return scoring_id

    @property
    def running(self) -> int:
        """How many files are being scored."""
        return len(self._tasks)

    async def stop(self) -> None:
        """End what runs, and say so where the file is shown."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _score(self, scoring_id: str, rows: list[object], caller: Caller) -> None:
        state, told = FAILED, BROKEN
        try:
            for part, first in enumerate(range(0, len(rows), self._part)):
                names = await self._answer(rows[first : first + self._part], first, caller)
                await self._note(scoring_id, part, names)
            state, told = DONE, ""
        except _Refused as refused:
            told = str(refused)
        except asyncio.CancelledError:
            told = STOPPED
            raise
        finally:
            over = {"state": state, "told": told, "finished_at": self._clock()}
            mine = update(scorings).where(scorings.c.scoring_id == scoring_id).values(over)
            with suppress(_Refused):  # its silence will tell
                tries = 1 if told == STOPPED else TRIES
                await self._write(lambda connection: connection.execute(mine), tries)

    async def _answer(self, rows: list[object], first: int, caller: Caller) -> list[str]:
        for _ in range(TRIES):
            try:
                answer = await self._answering.answer_rows(rows, Question(caller))
            except QueueFullError:
                await asyncio.sleep(WAIT_SECONDS)
                continue
            except _REFUSALS as error:
                raise _Refused(_why(error, first)) from None
            return list(answer.prediction_id)
        raise _Refused("other requests left no time for it; send the rest again")

    async def _note(self, scoring_id: str, part: int, names: list[str]) -> None:
        ids = b"".join(UUID(name).bytes for name in names)
        row = {"scoring_id": scoring_id, "part": part, "rows": len(names),
               "answered_at": self._clock(), "prediction_ids": ids}  # fmt: skip
        await self._write(lambda connection: connection.execute(insert(scoring_parts).values(row)))

    async def _write(self, task: Callable[[Connection], Any], tries: int = TRIES) -> None:
        """Once the database is there and others leave room; what is answered keeps its ids."""
        for _ in range(tries):
            try:
                await self._run(task)
            except (LedgerUnavailableError, QueueFullError):
                await asyncio.sleep(WAIT_SECONDS)
            else:
                return
        raise _Refused("the database was away for too long; send the rest again")


class _Refused(Exception):
    """No more of this file can be scored; the message says why."""


def _why(error: Exception, first: int) -> str:
    if not isinstance(error, InvalidRequestError):
        return str(error)
    one = error.problems[0]
    if one.row is None:
        return f"{one.problem}; {one.allowed}"
    # Without the value, which may be somebody's: this is kept, and no erasure looks for it.
    return f"row {first + one.row + 1:,}, {one.field}: not {one.allowed}"
