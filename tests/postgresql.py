"""A throw-away PostgreSQL server for tests; skips where none is installed."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from benchmarks import postgresql


@contextmanager
def temporary_postgresql() -> Iterator[str]:
    """As benchmarks.postgresql's."""
    with ExitStack() as stack:
        try:
            url = stack.enter_context(postgresql.temporary_postgresql())
        except postgresql.PostgresqlMissingError as error:
            pytest.skip(str(error))
        yield url
