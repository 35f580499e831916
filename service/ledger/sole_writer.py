"""On SQLite the service is one process: refuse to start a second one on the same file."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Engine

from contracts.database import hold_service_place

# Retention takes the place for moments, to checkpoint while no service runs.
PATIENCE_SECONDS = 0.5


class SecondServiceError(RuntimeError):
    """Another service already writes this SQLite database."""

    def __init__(self, database: str) -> None:
        super().__init__(
            f"another service already uses {database}; several need PostgreSQL "
            "(PERENNIAL_DATABASE_URL)"
        )


@contextmanager
def hold_database(engine: Engine) -> Iterator[None]:
    """Keep the service's place while it runs; on PostgreSQL there is no such place.

    Raises:
        SecondServiceError: it is taken.
    """
    with ExitStack() as place:
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                place.enter_context(hold_service_place(engine))
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise SecondServiceError(str(engine.url.database)) from None
                time.sleep(PATIENCE_SECONDS / 20)
        yield
