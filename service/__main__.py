"""`python -m service`: runs the service until SIGTERM or SIGINT; settings are PERENNIAL_*."""

import argparse
import gc
import sys

import uvicorn
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from contracts.database import DatabaseUrlError, make_engine
from contracts.migrate import DatabaseOutOfDateError, require_current
from contracts.settings import Settings
from service.app import create_app
from service.limits import LimitsUrlError
from service.log_lines import log_to, make_journal
from service.protocol import make_protocol
from service.sole_writer import SecondServiceError, hold_database


def tune_garbage_collection() -> None:
    """Keep the collector away from what start-up made; it cost a p99 of 20 to 40 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def main() -> None:
    argparse.ArgumentParser(prog="python -m service", description=__doc__).parse_args()
    settings = _read_settings()
    journal = make_journal(sys.stderr.fileno())
    log_to(journal)
    _check_database(settings)
    try:
        app = create_app(settings, on_started=tune_garbage_collection, journal=journal)
    except LimitsUrlError as error:
        sys.exit(f"cannot start: {error}")
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=make_protocol(settings),
        ws="none",
        lifespan="on",
        workers=1,
        access_log=False,
        proxy_headers=False,  # nothing here looks at the client's address
        server_header=False,
        log_config=None,
    )


def _read_settings() -> Settings:
    try:
        return Settings()
    except ValidationError as error:
        problems = [f"PERENNIAL_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
        sys.exit("settings cannot be used: " + "; ".join(problems))


def _check_database(settings: Settings) -> None:
    """Say in one line why the service cannot start."""
    try:
        engine = make_engine(settings.database_url)
        require_current(engine)
        with hold_database(engine):
            engine.dispose()
    except (DatabaseUrlError, DatabaseOutOfDateError, SecondServiceError) as error:
        sys.exit(f"cannot start: {error}")
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", error)).strip().splitlines()[0]
        sys.exit(f"cannot start: the database cannot be opened: {cause}")


if __name__ == "__main__":
    main()
