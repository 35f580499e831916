"""Promotions and roll-backs under load: the answer's version is the row's, nobody fails."""

import asyncio
import time
from datetime import UTC, datetime

from benchmarks.faults.client import Progress
from benchmarks.faults.trial import Bench, wait_for
from contracts.database import write_transaction
from contracts.registry import promote, roll_back

PART = 20  # swaps between two comparisons


async def swapped(bench: Bench, trials: int) -> None:
    """Promote and roll back in turns through the registry, as another process does."""
    while bench.figures.trials < trials:
        async with bench.load() as progress:
            for _ in range(min(PART, trials - bench.figures.trials)):
                await _swap(bench, progress, bench.figures.trials % 2 == 0)
                bench.count()
            await asyncio.sleep(0.1)


async def _swap(bench: Bench, progress: Progress, forward: bool) -> None:
    await asyncio.sleep(bench.rng.uniform(0, 0.1))
    await asyncio.to_thread(_change, bench, forward)
    since = time.monotonic()
    wanted = bench.place.versions[1 if forward else 0]
    await wait_for(lambda: progress.last_version == wanted, f"{wanted} does not answer")
    bench.figures.recoveries.append(time.monotonic() - since)


def _change(bench: Bench, forward: bool) -> None:
    now = datetime.now(UTC)
    with write_transaction(bench.place.engine) as connection:
        if forward:
            promote(connection, bench.place.versions[1], actor="faults", reason="swap", now=now)
        else:
            roll_back(connection, actor="faults", reason="swap back", now=now)
