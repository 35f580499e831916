"""On SQLite the service is one process: refuse to start a second one on the same file."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine


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
    if engine.dialect.name != "sqlite":
        yield
        return
    with Path(f"{engine.url.database}.service.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SecondServiceError(str(engine.url.database)) from None
        yield
