"""Rates and quotas of keys, counted in rows: exactly, or, where counting fails, not at all.

A window begins with the first row that is spent in it, and ends after the period that the limit
names. Within one window never more than the limit is let through, however many processes count.
What is refused costs nothing, but for requests that race for the last rows.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, cast

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, RedisStorage, Storage
from limits.aio.storage.redis.redispy import RedispyBridge
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import StorageError
from sqlalchemy import Engine

from contracts.settings import Settings
from service.access.caller import Caller
from service.access.limit_storage import DatabaseStorage
from service.answer.decoder import InvalidRequestError, Problem

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 1.0
# After a failure nothing is counted for so long; then one request finds out.
PAUSE_SECONDS = 5.0
# More wait for their turn, outside of PATIENCE_SECONDS: a flood must not make counting fail.
AT_ONCE = 2
_HERE = frozenset({"memory", "database"})
_REDIS = frozenset({"redis", "rediss", "redis+unix"})


class LimitsUrlError(ValueError):
    """Limits cannot be counted there."""

    def __init__(self, scheme: str) -> None:
        super().__init__(
            f"PERENNIAL_LIMITS_URL: {scheme!r} is not memory://, database:// or redis://host"
        )


class LimitReachedError(RuntimeError):
    """The caller's key has used up its rate or its quota."""

    def __init__(self, item: RateLimitItem, remaining: int, seconds: int) -> None:
        super().__init__(f"the key's limit of {item} in rows is reached; try again in {seconds} s")
        self.headers = {
            "Retry-After": str(seconds),
            "RateLimit-Limit": str(item.amount),
            "RateLimit-Remaining": str(remaining),
            "RateLimit-Reset": str(seconds),
        }


class Item(NamedTuple):
    """One limit of one key for one purpose."""

    limit: RateLimitItem
    key_id: str
    purpose: str


class _Refused(NamedTuple):
    """What a counter held when it refused, and when its window ends, in seconds since 1970."""

    remaining: int
    until: float


class Limits:
    """Spends callers' rates and quotas.

    Args:
        on_failure: called when a request passes uncounted.
        seconds: since 1970, as the storage counts them.
    """

    def __init__(
        self,
        storage: Storage,
        on_failure: Callable[[], None],
        seconds: Callable[[], float] = time.time,
    ) -> None:
        self._storage = storage
        self._limiter = FixedWindowRateLimiter(storage)
        self._on_failure = on_failure
        self._seconds = seconds
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._paused_until = 0.0
        self._refused: dict[Item, _Refused] = {}  # at most one entry for each limit of a key
        self.problem: str | None = None  # for /health/ready

    async def spend(self, caller: Caller, rows: int, purpose: str = "predictions") -> None:
        """Take `rows` from what the caller may use.

        When counting is impossible the request passes: a broken counter must not stop answers.

        Raises:
            LimitReachedError: nothing was spent.
            InvalidRequestError: one request may never have so many rows.
        """
        if caller.rate is None and caller.quota is None:
            return
        limits = _parse(caller.rate, caller.quota)
        for limit in limits:
            if rows > limit.amount:
                told = f"at most {limit.amount} at once: the key's limit is {limit}"
                raise InvalidRequestError([Problem(None, None, f"the body has {rows} rows", told)])
        items = [Item(limit, caller.key_id, purpose) for limit in limits]
        async with self._turn:
            await self._count(items, rows)

    async def stop(self) -> None:
        """Let go of connections and threads."""
        if isinstance(self._storage, DatabaseStorage):
            self._storage.stop()
        elif isinstance(self._storage, RedisStorage):
            client: Any = cast(RedispyBridge, self._storage.bridge).get_connection()
            await client.aclose()

    async def _count(self, items: list[Item], rows: int) -> None:
        now = self._seconds()
        for item in items:
            refused = self._refused.get(item)
            if refused is not None and now < refused.until and rows > refused.remaining:
                raise self._error(item, refused)
        if now < self._paused_until:
            self._on_failure()
            return
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._spend(items, rows)
            self.problem = None
        except (StorageError, OSError) as error:  # TimeoutError is one
            self._fail(error)

    async def _spend(self, items: list[Item], rows: int) -> None:
        # Asking first spares what is refused from being counted; only `hit` is exact.
        for act in (self._limiter.test, self._limiter.hit):
            for item in items:
                if not await act(item.limit, item.key_id, item.purpose, cost=rows):
                    raise await self._refuse(item)

    async def _refuse(self, item: Item) -> LimitReachedError:
        """Remember it: until the window ends there will be no more than now."""
        stats = await self._limiter.get_window_stats(item.limit, item.key_id, item.purpose)
        refused = self._refused[item] = _Refused(stats.remaining, stats.reset_time)
        return self._error(item, refused)

    def _error(self, item: Item, refused: _Refused) -> LimitReachedError:
        seconds = max(1, math.ceil(refused.until - self._seconds()))
        return LimitReachedError(item.limit, refused.remaining, seconds)

    def _fail(self, error: Exception) -> None:
        self._on_failure()
        if self.problem is None:
            log.error("limits cannot be counted, requests pass without: %r", error)
        self.problem = "limits cannot be counted now; requests pass without"
        self._paused_until = self._seconds() + PAUSE_SECONDS


def make_limits(settings: Settings, engine: Engine, on_failure: Callable[[], None]) -> Limits:
    """Limits counted where the settings say; connects to nothing yet."""
    scheme = settings.limits_url.partition("://")[0]
    storage: Storage
    if scheme == "memory":
        storage = MemoryStorage(wrap_exceptions=True)
    elif scheme == "database":
        storage = DatabaseStorage(engine)
    else:
        url = f"async+{settings.limits_url}"
        storage = RedisStorage(url, wrap_exceptions=True, implementation="redispy")
    return Limits(storage, on_failure)


def check_limits(settings: Settings) -> str | None:
    """Whether limits can be counted as the settings say; a warning where that is not exact.

    Raises:
        LimitsUrlError: there is no such place.
    """
    scheme, mark, place = settings.limits_url.partition("://")
    if not mark or not (scheme in _HERE or (scheme in _REDIS and place)):
        raise LimitsUrlError(scheme)
    if scheme == "memory" and settings.workers > 1:
        return (
            f"each of {settings.workers} workers lets a key use its whole limit; "
            "set PERENNIAL_LIMITS_URL=database://"
        )
    return None


@lru_cache(maxsize=1024)
def _parse(*texts: str | None) -> tuple[RateLimitItem, ...]:
    return tuple(parse(text) for text in texts if text is not None)
