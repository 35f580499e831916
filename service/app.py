"""create_app(settings): wires the service together; `python -m service` runs it."""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy import Engine
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from contracts.database import make_engine
from contracts.migrate import require_current
from contracts.settings import Settings
from service.access.access import Access
from service.access.key_ring import KeyRing
from service.access.limits import make_limits
from service.access.oidc import make_tokens
from service.access.refusals import Refusals
from service.access.sessions import Sessions
from service.answer.answering import Answering
from service.answer.decoder import MAX_PROBLEMS, InvalidRequestError, Problem
from service.answer.explain import Explainer
from service.answer.values import safe_text
from service.api.access import describe_access
from service.api.document import describe_api
from service.border.errors import KNOWN, answer_error
from service.border.front import Front
from service.border.headers import request_ids
from service.border.journal import Journal
from service.ledger.ledger import Ledger
from service.ledger.sole_writer import hold_database
from service.observe.metrics import Metrics
from service.observe.otel import find_tracing
from service.observe.quality import Quality
from service.observe.shared_metrics import SharedMetrics
from service.observe.state import State
from service.observe.targets import targets_in
from service.observe.vitals import Vitals
from service.parts import Parts
from service.protocols import invocations, v2, vertex
from service.protocols.describe import describe_adapters
from service.routes import (
    actions,
    api_page,
    assets,
    checks,
    find,
    health,
    labels,
    models,
    models_page,
    monitoring_page,
    outcomes,
    overview,
    predictions,
    reports,
    scorings,
    sign_in,
    traffic,
    try_it,
    wanted,
)
from service.trying.scoring import Scorings
from service.versions.champion import ChampionWatcher
from service.versions.serving import Serving, load_serving
from service.versions.shadow import Shadow
from service.versions.traffic_state import TrafficState


def utc_now() -> datetime:
    return datetime.now(UTC)


def create_app(
    settings: Settings,
    *,
    engine: Engine | None = None,
    clock: Callable[[], datetime] = utc_now,
    on_started: Callable[[], None] | None = None,
    journal: Journal | None = None,
    slot: int | None = None,
) -> ASGIApp:
    """Build the ASGI app; it touches database and bundles when its lifespan starts.

    Args:
        engine: instead of the one that the settings name.
        on_started: called once everything that start-up makes is in memory.
        journal: where request lines go, if the settings want them; None = nowhere.
        slot: of this worker, where there are several.
    """
    engine = engine or make_engine(settings.database_url)
    parts = _make_parts(settings, engine, clock, journal, slot)
    app = FastAPI(
        title="Perennial",
        generate_unique_id_function=_operation_id,
        lifespan=partial(_lifespan, parts, on_started),
        docs_url=None,  # both load scripts from another site
        redoc_url=None,
        redirect_slashes=False,  # a redirect would name the host that the request named
    )
    app.state.parts = parts
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    for module in (
        outcomes, wanted, predictions, models, models_page, traffic, checks, reports, health,
        monitoring_page, api_page, overview, find, labels, sign_in, try_it, scorings, actions,
        assets, v2, invocations, vertex,
    ):  # fmt: skip
        app.include_router(module.router)
    for known in KNOWN:
        app.add_exception_handler(known, _answer_known)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.openapi = _openapi_of(app, parts)  # type: ignore[method-assign]  # FastAPI's documented way
    front = Front(
        app,
        parts.answering,
        parts.access,
        parts.metrics,
        settings,
        request_ids(secrets.token_hex(4)),
        journal if settings.access_log else None,
    )
    paths = vertex.platform_paths(settings)
    whole = vertex.answer_also_at(front, paths) if paths else front
    return whole if parts.tracing is None else parts.tracing.app(whole)


def _operation_id(route: APIRoute) -> str:
    return route.name


def _make_parts(
    settings: Settings,
    engine: Engine,
    clock: Callable[[], datetime],
    journal: Journal | None,
    slot: int | None,
) -> Parts:
    metrics = Metrics()
    tracing = find_tracing(os.environ)
    load: Callable[[str], Serving] = partial(
        load_serving, settings.bundles_dir, max_rows=settings.max_rows
    )
    if tracing is not None:
        load = tracing.loading(load, settings.max_rows)
    watcher = ChampionWatcher(engine, metrics, load, settings.champion_poll_seconds)
    make_ledger = Ledger if tracing is None else tracing.ledger
    ledger = make_ledger(engine, metrics, clock, settings)
    limits = make_limits(settings, engine, metrics.errors.labels("limits").inc)
    if journal is not None:
        journal.on_drop = metrics.log_lines_dropped.inc
    shadow = Shadow(ledger.run, metrics, clock)
    metrics.registry.register(TrafficState(watcher))
    refusals = Refusals(ledger.run, clock)
    keys = KeyRing(engine, clock)
    sessions = Sessions(engine, keys, ledger.run, clock)
    access = Access(settings, keys, refusals, sessions, make_tokens(settings))
    metrics.registry.register(State(watcher, access, time.monotonic))
    answering = Answering(watcher, ledger, limits, shadow)
    return Parts(
        settings=settings,
        engine=engine,
        metrics=metrics,
        ledger=ledger,
        watcher=watcher,
        answering=answering,
        scorings=Scorings(answering, ledger.run, clock, settings.max_rows),
        shadow=shadow,
        vitals=Vitals(ledger.run, metrics, clock, settings.vitals_seconds),
        access=access,
        limits=limits,
        journal=journal,
        clock=clock,
        explainer=Explainer(settings.bundles_dir),
        shared=_share(metrics, settings, slot),
        quality=_measure(engine, metrics, settings, clock) if not slot else None,
        tracing=tracing,
    )


def _share(metrics: Metrics, settings: Settings, slot: int | None) -> SharedMetrics | None:
    if slot is None:
        return None
    shared = SharedMetrics(metrics, settings.metrics_dir, slot, settings.workers, time.time)
    metrics.shown = shared
    return shared


def _measure(
    engine: Engine, metrics: Metrics, settings: Settings, clock: Callable[[], datetime]
) -> Quality:
    quality = Quality(engine, metrics, targets_in(settings.bundles_dir), clock)
    metrics.registry.register(quality)
    return quality


@asynccontextmanager
async def _lifespan(
    parts: Parts, on_started: Callable[[], None] | None, _app: FastAPI
) -> AsyncIterator[None]:
    await asyncio.to_thread(require_current, parts.engine)
    with hold_database(parts.engine):
        await asyncio.to_thread(parts.watcher.start)
        await asyncio.to_thread(parts.access.start)
        parts.ledger.start()
        parts.shadow.start()
        parts.vitals.start()
        watching = [
            part for part in (parts.journal, parts.tracing, parts.shared, parts.quality) if part
        ]
        for part in watching:
            part.start()
        if on_started is not None:
            on_started()
        yield
        await parts.scorings.stop()
        await asyncio.to_thread(parts.explainer.stop)
        await asyncio.to_thread(parts.watcher.stop)
        await asyncio.to_thread(parts.shadow.stop)
        await parts.access.stop()
        await parts.vitals.stop()
        await parts.ledger.stop()
        await parts.limits.stop()
        for part in reversed(watching):
            await asyncio.to_thread(part.stop)
        parts.engine.dispose()


def _openapi_of(app: FastAPI, parts: Parts) -> Callable[[], dict[str, Any]]:
    """A function that describes the API as the current champion has it; one entry is kept."""
    kept: dict[str | None, dict[str, Any]] = {}

    def openapi() -> dict[str, Any]:
        serving = parts.watcher.serving
        version = serving.version if serving else None
        if version not in kept:
            kept.clear()
            schema, settings = serving.schema if serving else None, parts.settings
            document = describe_api(app, schema, version, settings.max_rows)
            describe_access(document, is_open=settings.access == "open")
            describe_adapters(document, schema, version, settings.model_name, settings.max_rows)
            kept[version] = document
        return kept[version]

    return openapi


async def _answer_known(request: Request, error: Exception) -> Response:
    status, kind, headers, body = answer_error(error, request.scope["path"])
    request.app.state.parts.metrics.errors.labels(kind).inc()
    return Response(body, status, headers, media_type="application/json")


async def _answer_invalid(request: Request, error: Exception) -> Response:
    """FastAPI's own refusals in the form of ours; its echo of the input may not be valid JSON."""
    problems = [Problem(None, None, "the request is invalid", "see /docs")]
    if isinstance(error, RequestValidationError):
        problems = [
            Problem(None, safe_text(str(one["loc"][-1])), one["msg"], "see /docs")
            for one in error.errors()[:MAX_PROBLEMS]
        ]
    return await _answer_known(request, InvalidRequestError(problems))
