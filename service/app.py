"""create_app(settings): wires the service together; `python -m service` runs it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

from fastapi import FastAPI, Request, Response
from sqlalchemy import Engine
from starlette.middleware.gzip import GZipMiddleware

from contracts.database import make_engine
from contracts.migrate import require_current
from contracts.settings import Settings
from service.champion import ChampionWatcher, load_serving
from service.errors import KNOWN, answer_error
from service.ledger import Ledger
from service.metrics import Metrics
from service.routes.predict import PredictFront


def utc_now() -> datetime:
    return datetime.now(UTC)


def create_app(
    settings: Settings,
    *,
    engine: Engine | None = None,
    clock: Callable[[], datetime] = utc_now,
    on_started: Callable[[], None] | None = None,
) -> PredictFront:
    """Build the ASGI app; it touches database and bundles when its lifespan starts."""
    engine = engine or make_engine(settings.database_url)
    metrics = Metrics()
    ledger = Ledger(engine, metrics, clock)
    load = partial(load_serving, settings.bundles_dir, max_rows=settings.max_rows)
    watcher = ChampionWatcher(engine, metrics, load, settings.champion_poll_seconds)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(require_current, engine)
        await asyncio.to_thread(watcher.start)
        ledger.start()
        if on_started is not None:
            on_started()
        yield
        await asyncio.to_thread(watcher.stop)
        await asyncio.to_thread(ledger.stop)
        engine.dispose()

    app = FastAPI(title="Perennial", lifespan=lifespan)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    return PredictFront(app, watcher, ledger, metrics, settings.max_body_bytes)
