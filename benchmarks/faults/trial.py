"""One trial: load, a fault, the first answer after it, and the comparison of both ledgers."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.faults.client import Client, Progress
from benchmarks.faults.compare import Verdict, compare
from benchmarks.faults.journal import Journal, read_journal
from benchmarks.faults.place import Place, ledger_health
from benchmarks.faults.stored import stored_rows

CONNECTIONS = 16
PAUSE_SECONDS = 0.02  # in trials that last long: some hundred requests a second are enough
RECOVERY_SECONDS = 120
REPEATS = 20  # answered requests with a key that are asked again after each fault


class NoRecoveryError(RuntimeError):
    """The service did not come back by itself."""


@dataclass
class Figures:
    """What a fault has cost so far.

    Attributes:
        recoveries: seconds from a fault's end to the first 200 after it.
        drains: seconds from a fault's end until nothing was spooled any more.
        notes: further counts, summed over trials.
    """

    trials: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    recoveries: list[float] = field(default_factory=list)
    drains: list[float] = field(default_factory=list)
    notes: dict[str, float] = field(default_factory=dict)

    def note(self, name: str, amount: float = 1) -> None:
        self.notes[name] = self.notes.get(name, 0) + amount

    def as_json(self) -> dict[str, Any]:
        counts = {k: v for k, v in vars(self.verdict).items() if v or k in _ALWAYS}
        times = {"recovery_s_p99": self.recoveries, "drain_s_p99": self.drains}
        p99 = {name: round(float(np.quantile(t, 0.99)), 3) for name, t in times.items() if t}
        notes = {"notes": {k: round(v, 3) for k, v in self.notes.items()}} if self.notes else {}
        return {"trials": self.trials, **counts, **p99, **notes}


_ALWAYS = ("acknowledged", "lost", "duplicated", "torn", "mismatched")


@dataclass
class Bench:
    """What the trials of one fault share: its place, its figures, and numbers not yet asked."""

    place: Place
    rng: np.random.Generator
    amount: int
    figures: Figures = field(default_factory=Figures)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        self._bar = tqdm(total=self.amount, desc="trials", unit="trial", leave=False)

    def count(self, trials: int = 1) -> None:
        """So many more trials are over."""
        self.figures.trials += trials
        self._bar.update(trials)
        if self.figures.trials >= self.amount:
            self._bar.close()

    @asynccontextmanager
    async def load(
        self, *, connections: int = CONNECTIONS, pause: float = 0.0, settle: bool = True
    ) -> AsyncIterator[Progress]:
        """Load the service while the block runs; then, to `settle`, repeat, drain and compare."""
        path = self.place.directory / "journal.jsonl"
        path.unlink(missing_ok=True)
        first = next(self.numbers)
        journal = Journal(path)
        client = Client(
            self.place.settings.port, self.place.key, journal, self.numbers, pause=pause
        )
        try:
            async with client.load(connections) as progress:
                yield progress
            if settle:
                await client.repeat(progress.open + progress.keyed[-REPEATS:])
        finally:
            journal.close()
        if not settle:
            return
        await self.wait_until_drained()
        await asyncio.to_thread(self._compare, first, next(self.numbers))
        self.figures.note("connections ended without an answer", progress.failures)
        if ledger_health(self.place).get("balanced") is False:
            self.figures.note("ledgers that call themselves unbalanced")

    def _compare(self, first: int, last: int) -> None:
        lines = read_journal(self.place.directory / "journal.jsonl")
        rows = stored_rows(self.place.engine, first, last)
        self.figures.verdict.add(compare(lines, rows, self.place.oracle))

    async def wait_until_drained(self) -> None:
        """Return once the service says that nothing waits in its spool."""

        def drained() -> bool:
            health = ledger_health(self.place)
            return health.get("mode") == "direct"

        await wait_for(drained, "the spool was not drained")

    async def note_recovery(self, progress: Progress, since: float) -> None:
        """Wait for the answer to a request asked after `since`, and keep how long it took."""
        await wait_for(lambda: progress.asked > since, "no answer after the fault")
        self.figures.recoveries.append(progress.answered - since)


async def wait_for(
    condition: Callable[[], object], failure: str, seconds: float = RECOVERY_SECONDS
) -> None:
    """Wait until the condition, which may block, holds.

    Raises:
        NoRecoveryError: it never does.
    """
    end = time.monotonic() + seconds
    while not await asyncio.to_thread(condition):
        if time.monotonic() > end:
            raise NoRecoveryError(failure)
        await asyncio.sleep(0.005)


async def outage(
    bench: Bench, seconds: float, begin: Callable[[], Awaitable[None]],
    end: Callable[[], Awaitable[None]],
) -> None:  # fmt: skip
    """A trial: load, `begin`, wait, `end`; recovery and drain are counted from the end."""
    async with bench.load(pause=PAUSE_SECONDS) as progress:
        await wait_for(lambda: progress.answers > 50, "the service does not answer")
        before = progress.answers
        await begin()
        try:
            await asyncio.sleep(seconds)
        finally:
            await end()
        since = time.monotonic()
        bench.figures.note("answers during the fault", progress.answers - before)
        await bench.note_recovery(progress, since)
        await bench.wait_until_drained()
        bench.figures.drains.append(time.monotonic() - since)
        await asyncio.sleep(0.2)
    bench.count()
