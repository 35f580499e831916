"""A throw-away PostgreSQL server for tests.

Skips where none is installed, but fails where NEED_POSTGRESQL is set.
"""

import os
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
            if os.environ.get("NEED_POSTGRESQL"):
                raise
            pytest.skip(str(error))
        yield url
