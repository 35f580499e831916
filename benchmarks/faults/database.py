"""Faults of the database: gone, silent, slow, locked, or its answers to commits cut off."""

import asyncio
import sqlite3
import time

from benchmarks.faults.place import Service
from benchmarks.faults.postgres import Postgres
from benchmarks.faults.proxy import Proxy
from benchmarks.faults.trial import PAUSE_SECONDS, Bench, outage, wait_for

RESETS = 5
LOCKED_SECONDS = 1.5


async def stopped(bench: Bench, server: Postgres, trials: int, seconds: float) -> None:
    """The server is stopped without a goodbye, and started again."""

    async def stop() -> None:
        await asyncio.to_thread(server.stop)

    async def start() -> None:
        await asyncio.to_thread(server.start)

    for _ in range(trials):
        await outage(bench, seconds, stop, start)


async def swallowed(bench: Bench, proxy: Proxy, trials: int, seconds: float) -> None:
    """Nothing comes through any more, and nothing says so."""

    async def begin() -> None:
        proxy.mode = "swallow"

    async def end() -> None:
        proxy.mode = "pass"

    for _ in range(trials):
        await outage(bench, seconds, begin, end)


async def refused(bench: Bench, proxy: Proxy, trials: int, seconds: float) -> None:
    """Open connections break, new ones are refused."""

    async def begin() -> None:
        proxy.mode = "refuse"
        proxy.reset_all()

    async def end() -> None:
        proxy.mode = "pass"

    for _ in range(trials):
        await outage(bench, seconds, begin, end)


async def slow(bench: Bench, proxy: Proxy, trials: int, seconds: float) -> None:
    """Each commit is answered two seconds late."""

    async def begin() -> None:
        proxy.delay = 2.0

    async def end() -> None:
        proxy.delay = 0.0

    for _ in range(trials):
        await outage(bench, seconds, begin, end)


async def ambiguous(bench: Bench, service: Service, proxy: Proxy, trials: int) -> None:
    """Commits succeed, and the connection breaks before the client learns of it.

    It happens to the ledger's groups and to the replay of the spool. After some the service is
    restarted: it trusts a database less and less that fails again and again.
    """
    while bench.figures.trials < trials:
        part = min(RESETS, trials - bench.figures.trials)
        proxy.every = 1 + bench.figures.trials // RESETS % 3
        async with bench.load(pause=PAUSE_SECONDS) as progress:
            proxy.cuts = part
            await wait_for(lambda: proxy.cuts == 0, "too few commits went through the proxy")
            await bench.note_recovery(progress, time.monotonic())
        bench.count(part)
        await asyncio.to_thread(service.terminate)
        service.start()
        await asyncio.to_thread(service.wait_until_ready)


async def locked(bench: Bench, trials: int, seconds: float) -> None:
    """Another process holds SQLite's write lock."""
    for _ in range(trials):
        holder = connect_exclusively(bench)

        async def begin(holder: sqlite3.Connection = holder) -> None:
            await asyncio.to_thread(holder.execute, "BEGIN EXCLUSIVE")

        async def end(holder: sqlite3.Connection = holder) -> None:
            await asyncio.to_thread(holder.execute, "ROLLBACK")

        await outage(bench, seconds, begin, end)
        holder.close()


async def killed_while_locked(bench: Bench, service: Service, trials: int) -> None:
    """kill -9 while the database is locked, so that only the spool keeps what is answered."""
    holder = connect_exclusively(bench)
    for _ in range(trials):
        async with bench.load(pause=PAUSE_SECONDS) as progress:
            await wait_for(lambda: progress.answers > 20, "the service does not answer")
            await asyncio.to_thread(holder.execute, "BEGIN EXCLUSIVE")
            await asyncio.sleep(bench.rng.uniform(0.1, 1.5))
            await asyncio.to_thread(service.kill)
            since = time.monotonic()
            if bench.rng.random() < 0.5:  # the new process finds the database locked or free
                holder.execute("ROLLBACK")
            await asyncio.to_thread(service.start)
            await bench.note_recovery(progress, since)
            await asyncio.sleep(bench.rng.uniform(0, 0.3))
            if holder.in_transaction:
                holder.execute("ROLLBACK")
            since = time.monotonic()
            await bench.wait_until_drained()
            bench.figures.drains.append(time.monotonic() - since)
        bench.count()
    holder.close()


async def locked_after_kill(bench: Bench, service: Service, trials: int) -> None:
    """The new process finds the database locked: it must know the keys that the old one answered.

    The requests that are repeated after the load meet the lock, which ends a while later.
    """
    holder = connect_exclusively(bench)
    for _ in range(trials):
        async with bench.load(pause=PAUSE_SECONDS) as progress:
            await wait_for(lambda: progress.answers > 200, "the service does not answer")
            await asyncio.to_thread(service.kill)
            since = time.monotonic()
            holder.execute("BEGIN EXCLUSIVE")
            await asyncio.to_thread(service.start)
            await bench.note_recovery(progress, since)
            asyncio.get_running_loop().call_later(LOCKED_SECONDS, holder.execute, "ROLLBACK")
        bench.count()
    holder.close()


def connect_exclusively(bench: Bench) -> sqlite3.Connection:
    """A connection of the suite's own, which may wait long for the lock."""
    path = bench.place.engine.url.database or ""
    return sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
