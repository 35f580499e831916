"""What each version did, written to the table `vitals` every minute, for who judges versions.

Nothing is counted for it: a task writes by how much the counters have grown, through the ledger as
every other write. While the database is away nothing is lost; the next row is of a longer time.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert

from contracts.tables import vitals
from service.ledger.groups import QueueFullError
from service.ledger.store import LedgerUnavailableError
from service.observe.metrics import Metrics
from service.observe.request_counts import Times, no_times
from service.observe.version_counts import Asked

Run = Callable[[Callable[[Connection], None]], Awaitable[None]]


class _Counted(NamedTuple):
    """Of one version, since the start."""

    times: Times
    asked: Asked


class Vitals:
    """Writes what has been counted since the last time; lives on the event loop.

    Args:
        run: the ledger's; runs a writing task in a transaction of its own.
        clock: aware UTC.
    """

    def __init__(
        self,
        run: Run,
        metrics: Metrics,
        clock: Callable[[], datetime],
        write_seconds: float,
    ) -> None:
        self._run = run
        self._metrics = metrics
        self._clock = clock
        self._write_seconds = write_seconds
        self._since = clock()
        self._written: dict[str, _Counted] = {}
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; only inside the event loop that counts requests."""
        self._since, self._written = self._clock(), self._read()
        self._task = asyncio.get_running_loop().create_task(self._write_often())

    async def stop(self) -> None:
        """Write for the last time; before the ledger stops."""
        self._stop.set()
        if self._task is not None:
            await self._task

    async def write(self) -> None:
        """Write what is new; where that is not possible it is counted, and stays for later."""
        now, counted = self._clock(), self._read()
        rows = [
            {"model_version": version, "since": self._since, "until": now, **grown}
            for version, each in counted.items()
            if (grown := _grown(self._written.get(version), each)) is not None
        ]
        if rows:
            try:
                await self._run(partial(insert_vitals, rows=rows))
            except (LedgerUnavailableError, QueueFullError):
                self._metrics.errors.labels("vitals").inc()
                return
        self._since, self._written = now, counted
        self._metrics.requests.forget_but(self._metrics.versions)

    def _read(self) -> dict[str, _Counted]:
        times, asked = self._metrics.requests.by_version(), self._metrics.asked.by_version()
        return {
            version: _Counted(times.get(version, no_times()), asked.get(version, Asked()))
            for version in list(self._metrics.versions)
        }

    async def _write_often(self) -> None:
        while not self._stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), self._write_seconds)
            await self.write()


def insert_vitals(connection: Connection, rows: list[dict[str, Any]]) -> None:
    connection.execute(insert(vitals), rows)


def _grown(before: _Counted | None, now: _Counted) -> dict[str, Any] | None:
    """The row's figures; None = nothing has happened."""
    earlier, asked = before or _Counted(no_times(), Asked()), now.asked
    times = [b - a for a, b in zip(earlier.times, now.times, strict=True)]
    figures = {
        "requests": int(sum(times[:-1])),
        "rows": asked.rows - earlier.asked.rows,
        "failed": asked.failed - earlier.asked.failed,
        "not_finite": asked.not_finite - earlier.asked.not_finite,
    }
    if not any(figures.values()):
        return None
    return {
        **figures,
        "times": json.dumps([int(number) for number in times[:-1]]),
        "request_seconds": times[-1],
        "model_seconds": asked.seconds - earlier.asked.seconds,
    }
