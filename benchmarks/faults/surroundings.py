"""What a fault needs around it: a running service on SQLite, a small disk or PostgreSQL."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.faults.disk import small_disk
from benchmarks.faults.place import Place, Service, make_place
from benchmarks.faults.postgres import Postgres, temporary_postgres
from benchmarks.faults.proxy import Proxy, proxy_to
from benchmarks.faults.setting import Setting
from benchmarks.faults.trial import Bench
from deploy.local import free_port

Figures = dict[str, Any]
Inject = Callable[[Setting], Coroutine[Any, Any, Figures]]


class Local(NamedTuple):
    """A service on a SQLite file."""

    setting: Setting
    bench: Bench
    service: Service


class Remote(NamedTuple):
    """A service on PostgreSQL behind the proxy; the suite itself goes past it."""

    setting: Setting
    bench: Bench
    service: Service
    server: Postgres
    proxy: Proxy


def on_sqlite(trials: Callable[[Local], Awaitable[None]]) -> Inject:
    """Run trials on a SQLite file and a spool in a directory of their own."""

    async def inject(setting: Setting) -> Figures:
        return await _local(setting, trials, setting.directory / "disk")

    return inject


def on_small_disk(trials: Callable[[Local], Awaitable[None]], *, spool_too: bool) -> Inject:
    """The same on a file system of a few megabytes; the spool there too, or elsewhere."""

    async def inject(setting: Setting) -> Figures:
        elsewhere = {} if spool_too else {"spool_dir": setting.directory / "spool"}
        with small_disk(setting.directory / "disk") as disk:
            return await _local(setting, trials, disk, **elsewhere)

    return inject


def on_postgresql(trials: Callable[[Remote], Awaitable[None]]) -> Inject:
    """Run trials on a PostgreSQL server of their own."""

    async def inject(setting: Setting) -> Figures:
        listen = free_port()
        with temporary_postgres() as server:
            async with proxy_to(server.port, listen) as proxy:
                place = make_place(
                    setting.directory, setting.bundles, server.url(),
                    database_url=server.url(listen),
                )  # fmt: skip
                return await _run(
                    setting, place, lambda bench, service: trials(
                        Remote(setting, bench, service, server, proxy)
                    )
                )  # fmt: skip

    return inject


async def _local(
    setting: Setting, trials: Callable[[Local], Awaitable[None]], disk: Path, **settings: Any
) -> Figures:
    disk.mkdir(exist_ok=True)
    usual = {"database_url": f"sqlite:///{disk}/perennial.db", "spool_dir": disk / "spool"}
    place = make_place(setting.directory, setting.bundles, **{**usual, **settings})
    return await _run(setting, place, lambda bench, service: trials(Local(setting, bench, service)))


async def _run(
    setting: Setting, place: Place, trials: Callable[[Bench, Service], Awaitable[None]]
) -> Figures:
    service = Service(place, setting.module)
    bench = Bench(place, setting.rng, setting.amount)
    service.start()
    try:
        await asyncio.to_thread(service.wait_until_ready)
        await trials(bench, service)
    finally:
        service.kill()
        place.engine.dispose()
    return bench.figures.as_json()
