"""Faults of the service's own process: kill -9 and SIGTERM at random instants under load."""

import asyncio
import time

from benchmarks.faults.place import Service, get
from benchmarks.faults.trial import Bench, wait_for

AFTER_SECONDS = (0.02, 0.5)  # of load, before the process is ended


async def killed(bench: Bench, service: Service, trials: int) -> None:
    """kill -9, start again, go on; the load never stops."""
    for _ in range(trials):
        await _ended(bench, service, kill=True)


async def restarted(bench: Bench, service: Service, trials: int) -> None:
    """SIGTERM, start again, go on; what was asked before it must be answered."""
    for _ in range(trials):
        await _ended(bench, service, kill=False)


async def _ended(bench: Bench, service: Service, *, kill: bool) -> None:
    async with bench.load() as progress:
        await wait_for(lambda: progress.answers > 20, "the service does not answer")
        await asyncio.sleep(bench.rng.uniform(*AFTER_SECONDS))
        await asyncio.to_thread(service.kill if kill else service.terminate)
        ended = time.monotonic()
        await asyncio.to_thread(service.start)
        await bench.note_recovery(progress, ended)
        scraped = await asyncio.to_thread(get, bench.place, "/metrics")
        bench.figures.note("scrapes of /metrics that failed", scraped[0] != 200)
    bench.count()
