"""Counters of limits in the table rate_limits: one statement a count, exact across processes."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from limits.aio.storage import Storage
from sqlalchemy import (
    ColumnElement,
    Engine,
    Float,
    case,
    cast,
    delete,
    extract,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import insert as insert_postgresql
from sqlalchemy.dialects.sqlite import insert as insert_sqlite
from sqlalchemy.exc import SQLAlchemyError

from contracts.database import write_transaction
from contracts.tables import rate_limits

T = TypeVar("T")
# A database that hangs must not take the threads that decoding needs.
THREADS = 2


class DatabaseStorage(Storage):
    """What the `limits` library counts with, in the database that the service has anyway.

    The table has one row for each limit of each key, so it stays small.

    Args:
        seconds: since 1970; where several machines count, the database's own clock is used.
    """

    STORAGE_SCHEME = ["async+database"]

    def __init__(self, engine: Engine, seconds: Callable[[], float] = time.time) -> None:
        super().__init__(wrap_exceptions=True)
        self._engine = engine
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(THREADS, "limits")

    @property
    def base_exceptions(self) -> type[Exception]:
        return SQLAlchemyError

    def stop(self) -> None:
        """End the threads; what they wait for ends with the process."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Add to a counter; returns its new value."""
        return await self._in_thread(lambda: self._incr(key, expiry, amount))

    async def get(self, key: str) -> int:
        """A counter's value, 0 if its window is over."""
        spent, _ = await self._in_thread(lambda: self._read(key))
        return spent

    async def get_expiry(self, key: str) -> float:
        """When a counter's window ends, in seconds since 1970; now if it is over."""
        _, ends = await self._in_thread(lambda: self._read(key))
        return ends

    async def check(self) -> bool:
        """Whether the database answers."""
        await self.get("")
        return True

    async def reset(self) -> int | None:
        """Forget all counters."""
        return await self._in_thread(self._delete_all)

    async def clear(self, key: str) -> None:
        """Forget one counter."""
        await self._in_thread(lambda: self._delete(key))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _incr(self, key: str, expiry: int, amount: int) -> int:
        table, now = rate_limits.c, self._now()
        insert = insert_sqlite if self._engine.dialect.name == "sqlite" else insert_postgresql
        over = table.expires_at <= now
        statement = (
            insert(rate_limits)
            .values(name=key, spent=amount, expires_at=now + expiry)
            .on_conflict_do_update(
                index_elements=[table.name],
                set_={
                    "spent": case((over, amount), else_=table.spent + amount),
                    "expires_at": case((over, now + expiry), else_=table.expires_at),
                },
            )
            .returning(table.spent)
        )
        with write_transaction(self._engine) as connection:
            return int(connection.execute(statement).scalar_one())

    def _read(self, key: str) -> tuple[int, float]:
        """Spent rows and end of the window, on this process's clock."""
        table, now = rate_limits.c, self._now()
        query = select(table.spent, table.expires_at - now).where(
            table.name == key, table.expires_at > now
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        spent, left = (0, 0.0) if row is None else row
        return spent, self._seconds() + float(left)

    def _delete_all(self) -> int:
        with write_transaction(self._engine) as connection:
            return connection.execute(delete(rate_limits)).rowcount

    def _delete(self, key: str) -> None:
        with write_transaction(self._engine) as connection:
            connection.execute(delete(rate_limits).where(rate_limits.c.name == key))

    def _now(self) -> ColumnElement[float]:
        if self._engine.dialect.name == "sqlite":
            return literal(self._seconds())
        return cast(extract("epoch", func.clock_timestamp()), Float)
