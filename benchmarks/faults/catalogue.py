"""Every fault: what it needs around it, and how often it is injected."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from benchmarks.faults import damage, database, disk, processes, versions
from benchmarks.faults.place import Service, make_place
from benchmarks.faults.postgres import Postgres, temporary_postgres
from benchmarks.faults.proxy import Proxy, proxy_to
from benchmarks.faults.setting import Setting
from benchmarks.faults.traced import power_cut
from benchmarks.faults.trial import Bench
from deploy.local import free_port

Figures = dict[str, Any]


@dataclass(frozen=True)
class Fault:
    """How it is injected, and how often: usually, and when there is little time."""

    inject: Callable[[Setting], Coroutine[Any, Any, Figures]]
    usual: int
    few: int


@dataclass(frozen=True)
class Control:
    """A bug of seeded.py, the fault that must find it, as what, and in how many trials."""

    bug: str
    fault: str
    harm: str
    trials: int


@asynccontextmanager
async def on_sqlite(setting: Setting, **settings: Any) -> AsyncIterator[tuple[Bench, Service]]:
    """A running service on a SQLite file."""
    place = make_place(setting.directory, setting.bundles, **settings)
    service = Service(place, setting.module)
    service.start()
    try:
        service.wait_until_ready()
        yield Bench(place, setting.rng, setting.amount), service
    finally:
        service.kill()
        place.engine.dispose()


@asynccontextmanager
async def on_postgresql(setting: Setting) -> AsyncIterator[tuple[Bench, Service, Postgres, Proxy]]:
    """A running service on PostgreSQL, behind the proxy; the suite itself goes past it."""
    listen = free_port()
    with temporary_postgres() as server:
        async with proxy_to(server.port, listen) as proxy:
            place = make_place(
                setting.directory, setting.bundles, server.url(), database_url=server.url(listen)
            )
            service = Service(place, setting.module)
            service.start()
            try:
                await asyncio.to_thread(service.wait_until_ready)
                yield Bench(place, setting.rng, setting.amount), service, server, proxy
            finally:
                service.kill()
                place.engine.dispose()


async def _kill(setting: Setting) -> Figures:
    async with on_sqlite(setting) as (bench, service):
        await processes.killed(bench, service, setting.amount)
    return bench.figures.as_json()


async def _kill_postgresql(setting: Setting) -> Figures:
    async with on_postgresql(setting) as (bench, service, _, _):
        await processes.killed(bench, service, setting.amount)
    return bench.figures.as_json()


async def _kill_while_spooling(setting: Setting) -> Figures:
    async with on_sqlite(setting) as (bench, service):
        await database.killed_while_locked(bench, service, setting.amount)
    return bench.figures.as_json()


async def _lock_after_kill(setting: Setting) -> Figures:
    async with on_sqlite(setting) as (bench, service):
        await database.locked_after_kill(bench, service, setting.amount)
    return bench.figures.as_json()


async def _restart(setting: Setting) -> Figures:
    async with on_sqlite(setting) as (bench, service):
        await processes.restarted(bench, service, setting.amount)
    return bench.figures.as_json()


async def _swap(setting: Setting) -> Figures:
    async with on_sqlite(setting) as (bench, _):
        await versions.swapped(bench, setting.amount)
    return bench.figures.as_json()


async def _lock(setting: Setting) -> Figures:
    async with on_sqlite(setting) as (bench, _):
        await database.locked(bench, setting.amount, setting.seconds(20))
    return bench.figures.as_json()


async def _stop(setting: Setting) -> Figures:
    async with on_postgresql(setting) as (bench, _, server, _):
        await database.stopped(bench, server, setting.amount, setting.seconds(60))
    return bench.figures.as_json()


async def _swallow(setting: Setting) -> Figures:
    async with on_postgresql(setting) as (bench, _, _, proxy):
        await database.swallowed(bench, proxy, setting.amount, setting.seconds(60))
    return bench.figures.as_json()


async def _refuse(setting: Setting) -> Figures:
    async with on_postgresql(setting) as (bench, _, _, proxy):
        await database.refused(bench, proxy, setting.amount, setting.seconds(20))
    return bench.figures.as_json()


async def _slow(setting: Setting) -> Figures:
    async with on_postgresql(setting) as (bench, _, _, proxy):
        await database.slow(bench, proxy, setting.amount, setting.seconds(20))
    return bench.figures.as_json()


async def _ambiguous(setting: Setting) -> Figures:
    async with on_postgresql(setting) as (bench, service, _, proxy):
        await database.ambiguous(bench, service, proxy, setting.amount)
    return bench.figures.as_json()


async def _full_database(setting: Setting) -> Figures:
    with disk.small_disk(setting.directory / "disk") as small:
        url = f"sqlite:///{small}/perennial.db"
        async with on_sqlite(setting, database_url=url) as (bench, _):
            await disk.full(bench, small, setting.amount, setting.seconds(5))
    return bench.figures.as_json()


async def _full_disk(setting: Setting) -> Figures:
    with disk.small_disk(setting.directory / "disk") as small:
        settings = {"database_url": f"sqlite:///{small}/perennial.db", "spool_dir": small / "spool"}
        async with on_sqlite(setting, **settings) as (bench, _):
            await disk.full(bench, small, setting.amount, setting.seconds(5))
    return bench.figures.as_json()


async def _read_damaged(setting: Setting) -> Figures:
    async with on_sqlite(setting) as (bench, service):
        await damage.fill_spool(bench, service)
        damage.read_damaged(bench, setting.amount, setting.directory / "copy")
    return bench.figures.as_json()


async def _replay_damaged(setting: Setting) -> Figures:
    disk_like = setting.directory / "disk"
    disk_like.mkdir()
    settings = {"database_url": f"sqlite:///{disk_like}/perennial.db",
                "spool_dir": disk_like / "spool"}  # fmt: skip
    async with on_sqlite(setting, **settings) as (bench, service):
        await damage.fill_spool(bench, service)
        await damage.replay_damaged(bench, service, setting.amount)
    return bench.figures.as_json()


async def _power_cut(setting: Setting) -> Figures:
    return (await power_cut(setting, spooling=False)).as_json()


async def _power_cut_spooling(setting: Setting) -> Figures:
    return (await power_cut(setting, spooling=True)).as_json()


FAULTS: dict[str, Fault] = {
    "kill_sqlite": Fault(_kill, 200, 4),
    "kill_postgresql": Fault(_kill_postgresql, 50, 2),
    "kill_while_spooling": Fault(_kill_while_spooling, 50, 2),
    "locked_after_kill": Fault(_lock_after_kill, 20, 1),
    "spool_damaged_read": Fault(_read_damaged, 10_000, 200),
    "spool_damaged_replay": Fault(_replay_damaged, 50, 2),
    "sigterm": Fault(_restart, 20, 2),
    "swap_and_rollback": Fault(_swap, 400, 20),
    "sqlite_locked": Fault(_lock, 5, 1),
    "disk_full_database": Fault(_full_database, 10, 1),
    "disk_full_everything": Fault(_full_disk, 10, 1),
    "postgresql_stopped": Fault(_stop, 3, 1),
    "postgresql_black_hole": Fault(_swallow, 3, 1),
    "postgresql_refused": Fault(_refuse, 5, 1),
    "postgresql_slow": Fault(_slow, 5, 1),
    "ambiguous_commit": Fault(_ambiguous, 200, 20),
    "power_cut": Fault(_power_cut, 1000, 30),
    "power_cut_while_spooling": Fault(_power_cut_spooling, 1000, 30),
}

# The suite itself is tested: each of these bugs must be found.
CONTROLS: dict[str, Control] = {
    f"control_{control.bug}": control
    for control in (
        Control("no_sync", "power_cut", "lost", 30),
        Control("spool_no_sync", "power_cut_while_spooling", "lost", 30),
        Control("spool_unchecked", "spool_damaged_replay", "torn", 15),
        Control("answer_before_write", "kill_sqlite", "lost", 3),
        Control("answers_swapped", "swap_and_rollback", "mismatched", 3),
        Control("rows_rounded", "swap_and_rollback", "torn", 3),
        Control("keys_forgotten", "locked_after_kill", "duplicated", 1),
    )
}


def trials_of(name: str, *, quick: bool) -> int:
    """How often a fault, or a control's, is injected."""
    if name in CONTROLS:
        return CONTROLS[name].trials
    return FAULTS[name].few if quick else FAULTS[name].usual
