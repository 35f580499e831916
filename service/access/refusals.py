"""Refused requests on their way to the audit log: in batches, off the hot path, never without end.

Each has one entry. What comes beyond MAX_PER_SECOND, or while nothing can be written, is summed up
in one more, so that a flood fills neither memory nor disk.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

from sqlalchemy import Connection

from contracts.audit import Act, record_all
from service.ledger.groups import QueueFullError
from service.ledger.store import LedgerUnavailableError

log = logging.getLogger(__name__)

MAX_PER_SECOND = 100
MAX_WAITING = 1000
WRITE_SECONDS = 0.25
RETRY_SECONDS = 1.0
SHOWN = 150  # characters of a path

Run = Callable[[Callable[[Connection], None]], Awaitable[None]]


class RefusedError(PermissionError):
    """A request that was not let in.

    Attributes:
        reason: for the audit log; the message is for the caller.
        actor: who it was, as far as that is known.
    """

    reason = "refused"
    actor = "nobody"


class Refusals:
    """Collects on the event loop and writes through the ledger.

    Args:
        run: the ledger's; runs a writing task in a transaction of its own.
    """

    def __init__(self, run: Run, clock: Callable[[], datetime]) -> None:
        self._run = run
        self._clock = clock
        self._waiting: list[Act] = []
        self._rest: Counter[str] = Counter()  # of those without an entry, by reason
        self._second = 0
        self._in_second = 0
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def note(self, error: RefusedError, method: str, path: str) -> None:
        """Have a refusal written soon; only from the event loop's thread."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._in_second = second, 0
        self._in_second += 1
        if self._in_second > MAX_PER_SECOND or len(self._waiting) >= MAX_WAITING:
            self._rest[error.reason] += 1
        else:
            subject = ascii(f"{method[:20]} {path[:SHOWN]}")[1:-1]
            detail = {"reason": error.reason}
            self._waiting.append(Act(self._clock(), error.actor, "refused", subject, detail))
        self._write_in(WRITE_SECONDS)

    async def stop(self) -> None:
        """Write what still waits; before the ledger stops."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await self._task
        if self._waiting or self._rest:
            await self._write()
        if self._timer is not None:  # it failed and would try again
            self._timer.cancel()
            for act in self._waiting:
                log.error("not in the audit log: %s refused: %s", act.actor, act.subject)

    def _write_in(self, seconds: float) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._begin)

    def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        waiting, rest = self._waiting, self._rest
        self._waiting, self._rest, self._timer = [], Counter(), None
        acts = [*waiting, _sum_up(rest, self._clock())] if rest else waiting
        try:
            await self._run(partial(record_all, acts=acts))
        except (LedgerUnavailableError, QueueFullError):
            self._waiting = waiting + self._waiting
            self._rest += rest
            self._write_in(RETRY_SECONDS)


def _sum_up(rest: Counter[str], now: datetime) -> Act:
    return Act(now, "nobody", "refused", f"{rest.total()} more requests", dict(rest))
