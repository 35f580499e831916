"""`python -m service`: runs the service until SIGTERM or SIGINT; settings are PERENNIAL_*."""

import argparse
import ctypes
import gc
import logging
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import uvicorn
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from contracts.database import DatabaseUrlError, make_engine
from contracts.migrate import DatabaseOutOfDateError, require_current
from contracts.settings import Settings
from service.access.access import AccessSettingsError, check_settings
from service.access.key_store import valid_keys
from service.access.limits import LimitsUrlError, check_limits
from service.access.oidc import OidcSettingsError, make_tokens
from service.app import create_app
from service.border.journal import Journal
from service.border.log_lines import log_to, make_journal
from service.border.protocol import make_protocol
from service.ledger.slots import SpoolUnusableError
from service.ledger.sole_writer import SecondServiceError, hold_database
from service.ledger.spool import open_spool
from service.observe.otel import TracingMissingError, traces_wanted
from service.observe.shared_metrics import SlotTakenError, clear_slots
from service.workers import PortTakenError, WorkerFailedError, listen, supervise

REFUSALS = (
    AccessSettingsError,
    DatabaseOutOfDateError,
    DatabaseUrlError,
    LimitsUrlError,
    OidcSettingsError,
    SecondServiceError,
    SpoolUnusableError,
)
log = logging.getLogger("service")

M_ARENA_MAX = -8  # of malloc.h
M_MMAP_THRESHOLD = -3
M_TRIM_THRESHOLD = -1


UVICORN: dict[str, Any] = {
    "loop": "uvloop",
    "ws": "none",
    "lifespan": "on",
    "access_log": False,
    "proxy_headers": False,  # nothing here looks at the client's address
    "server_header": False,
    "log_config": None,
}


def tune_allocator() -> None:
    """Give back what a large request once took (glibc): two heaps, large blocks apart."""
    with suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_ARENA_MAX, 2)
        mallopt(M_MMAP_THRESHOLD, 128 * 1024)  # set, it no longer grows with what was freed
        mallopt(M_TRIM_THRESHOLD, 1024 * 1024)


def tune_garbage_collection() -> None:
    """Keep the collector away from what start-up made; it cost a p99 of 20 to 40 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m service", description=__doc__)
    parser.add_argument(
        "serve", nargs="?", choices=["serve"], help="what SageMaker starts with; changes nothing"
    )
    parser.parse_args()
    tune_allocator()
    settings = _read_settings()
    journal = make_journal(sys.stderr.fileno())
    log_to(journal)
    _check_start(settings)
    _check_tracing()
    if settings.workers == 1:
        app = create_app(settings, on_started=tune_garbage_collection, journal=journal)
        uvicorn.run(app, host=settings.host, port=settings.port, **_uvicorn(settings))
        return
    try:
        clear_slots(settings.metrics_dir)
        sockets = listen(settings.host, settings.port, settings.workers)
        supervise(partial(_serve, settings, journal), sockets)
    except (OSError, PortTakenError, SlotTakenError, WorkerFailedError) as error:
        sys.exit(f"cannot start: {error}")


def _serve(
    settings: Settings,
    journal: Journal,
    slot: int,
    shared: socket.socket,
    on_started: Callable[[], None],
) -> None:
    """One of several workers."""

    def started() -> None:
        tune_garbage_collection()
        on_started()

    app = create_app(settings, on_started=started, journal=journal, slot=slot)
    uvicorn.Server(uvicorn.Config(app, **_uvicorn(settings))).run([shared])


def _uvicorn(settings: Settings) -> dict[str, Any]:
    return {**UVICORN, "http": make_protocol(settings)}


def _read_settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        problems = [f"PERENNIAL_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
        sys.exit("settings cannot be used: " + "; ".join(problems))


def _check_start(settings: Settings) -> None:
    """Say in one line why the service cannot start: the database, or who may ask it."""
    try:
        engine = make_engine(settings.database_url)
        if settings.workers > 1 and engine.dialect.name == "sqlite":
            sys.exit(
                "cannot start: PERENNIAL_WORKERS above 1 needs PostgreSQL, SQLite has one writer; "
                "set PERENNIAL_DATABASE_URL or PERENNIAL_WORKERS=1"
            )
        require_current(engine)
        with hold_database(engine), engine.connect() as connection:
            keys = len(valid_keys(connection, datetime.now(UTC)))
        engine.dispose()
        make_tokens(settings)
        open_spool(settings.spool_dir, settings.spool_max_bytes).close()
        for warning in (check_settings(settings, keys), check_limits(settings)):
            if warning:
                log.warning(warning)
    except REFUSALS as error:
        sys.exit(f"cannot start: {error}")
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", error)).strip().splitlines()[0]
        sys.exit(f"cannot start: the database cannot be opened: {cause}")


def _check_tracing() -> None:
    try:
        traces_wanted(os.environ)
    except TracingMissingError as error:
        sys.exit(f"cannot start: {error}")


if __name__ == "__main__":
    main()
