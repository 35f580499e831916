"""Rates and quotas: never more than the limit in a window, whoever counts and however many."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from itertools import count

import pytest
from sqlalchemy import Engine, func, select
from starlette.testclient import TestClient

from contracts.database import make_engine
from contracts.migrate import migrate
from contracts.settings import Settings
from contracts.tables import rate_limits
from service.access.caller import Caller
from service.access.key_store import NewKey, create_key
from service.access.limits import LimitReachedError, LimitsUrlError, check_limits, make_limits
from service.app import create_app
from tests.bundles import EXAMPLE
from tests.conftest import bearer
from tests.postgresql import temporary_postgresql
from tests.redis_server import temporary_redis

ONE = {"features": EXAMPLE}
_DATABASES = count(0)


def caller(rate: str | None = None, quota: str | None = None, key_id: str = "k") -> Caller:
    return Caller(key_id, "a test", frozenset({"predict"}), rate, quota)


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with temporary_redis() as url:
        yield url


@pytest.fixture(params=["memory://", "database://", "redis"])
def counted(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    url = request.param
    if url == "redis":
        # A database of its own for each test: counts outlive the test.
        url = f"{request.getfixturevalue('redis')}/{next(_DATABASES)}"
    return settings.model_copy(update={"limits_url": url})


async def spend_all(
    spend: Callable[[Caller, int], Awaitable[None]], who: Caller, rows: int, times: int
) -> int:
    """How many of so many requests at once pass."""
    results = await asyncio.gather(
        *(spend(who, rows) for _ in range(times)), return_exceptions=True
    )
    assert {type(one) for one in results} <= {type(None), LimitReachedError}
    return sum(one is None for one in results)


def test_a_key_passes_up_to_its_rate_and_is_told_when_to_come_back(
    counted: Settings, engine: Engine, champion: str
) -> None:
    new = NewKey("a test", ("predict",), None, rate="5/minute", quota="100/day")
    key = create_key(engine, new, actor="a test", now=datetime.now(UTC))
    with TestClient(create_app(counted), headers=bearer(key)) as client:
        assert client.post("/predict", json={"instances": [EXAMPLE] * 4}).status_code == 200
        assert client.post("/predict", json={"instances": [EXAMPLE] * 2}).status_code == 429
        # What was refused cost nothing.
        assert client.post("/predict", json=ONE).status_code == 200
        refused = client.post("/predict", json=ONE)
        assert client.get("/health/live").status_code == 200
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit-limit"] == "5"
    assert refused.headers["ratelimit-remaining"] == "0"
    assert "5 per 1 minute" in refused.json()["detail"]


def test_more_rows_than_the_limit_ever_allows_are_invalid(
    counted: Settings, engine: Engine, champion: str
) -> None:
    new = NewKey("a test", ("predict",), None, rate="5/minute")
    key = create_key(engine, new, actor="a test", now=datetime.now(UTC))
    with TestClient(create_app(counted), headers=bearer(key)) as client:
        answer = client.post("/predict", json={"instances": [EXAMPLE] * 6})
    assert answer.status_code == 422
    assert "at most 5" in answer.text


def test_callers_claims_about_their_address_change_nothing(
    settings: Settings, engine: Engine, champion: str
) -> None:
    new = NewKey("a test", ("predict",), None, rate="3/minute")
    key = create_key(engine, new, actor="a test", now=datetime.now(UTC))
    names = ("X-Forwarded-For", "X-Real-IP", "Forwarded")
    with TestClient(create_app(settings), headers=bearer(key)) as client:
        statuses = [
            client.post(
                "/predict", json=ONE, headers=dict.fromkeys(names, f"10.0.0.{i}")
            ).status_code
            for i in range(10)
        ]
    assert statuses == [200] * 3 + [429] * 7


def test_outcomes_have_a_rate_of_their_own(
    settings: Settings, engine: Engine, champion: str
) -> None:
    new = NewKey("a test", ("predict", "outcomes"), None, rate="2/minute")
    key = create_key(engine, new, actor="a test", now=datetime.now(UTC))
    with TestClient(create_app(settings), headers=bearer(key)) as client:
        ids = client.post("/predict", json={"instances": [EXAMPLE] * 2}).json()["prediction_id"]
        given = [{"prediction_id": one, "outcome": 1} for one in ids]
        assert client.post("/outcomes", json={"outcomes": given}).status_code == 200
        assert client.post("/outcomes", json=given[0]).status_code == 429
        assert client.post("/outcomes", json={"outcomes": given * 2}).status_code == 422


def test_many_at_once_pass_no_more_than_the_limit(counted: Settings, engine: Engine) -> None:
    async def spend() -> int:
        limits = make_limits(counted, engine, lambda: None)
        passed = await spend_all(limits.spend, caller("20/hour"), 3, 50)
        await limits.stop()
        return passed

    assert asyncio.run(spend()) == 6


def test_several_workers_share_what_redis_counts(redis: str, settings: Settings) -> None:
    shared = settings.model_copy(update={"limits_url": f"{redis}/{next(_DATABASES)}"})

    async def spend() -> int:
        workers = [make_limits(shared, None, lambda: None) for _ in range(3)]
        passed = await asyncio.gather(
            *(spend_all(one.spend, caller("20/hour"), 3, 20) for one in workers)
        )
        for one in workers:
            await one.stop()
        return sum(passed)

    assert asyncio.run(spend()) == 6


def test_rate_and_quota_and_each_key_count_apart(counted: Settings, engine: Engine) -> None:
    async def spend() -> list[int]:
        limits = make_limits(counted, engine, lambda: None)
        passed = [
            await spend_all(limits.spend, caller("5/minute", "7/day"), 1, 10),
            await spend_all(limits.spend, caller("50/minute", "7/day"), 1, 10),
            await spend_all(limits.spend, caller("5/minute", key_id="other"), 1, 10),
            await spend_all(limits.spend, caller(), 1000, 10),
        ]
        await limits.stop()
        return passed

    assert asyncio.run(spend()) == [5, 2, 5, 10]


def test_a_new_window_begins_when_the_old_one_ends(counted: Settings, engine: Engine) -> None:
    async def spend() -> int:
        limits = make_limits(counted, engine, lambda: None)
        first = await spend_all(limits.spend, caller("2/second"), 1, 5)
        await asyncio.sleep(1.1)
        second = await spend_all(limits.spend, caller("2/second"), 1, 5)
        await limits.stop()
        return first + second

    assert asyncio.run(spend()) == 4


def test_the_table_has_one_row_for_each_limit_of_each_key(
    settings: Settings, engine: Engine
) -> None:
    async def spend() -> None:
        limits = make_limits(
            settings.model_copy(update={"limits_url": "database://"}), engine, lambda: None
        )
        for _ in range(3):
            for key in range(10):
                await limits.spend(caller("50/second", "9/day", key_id=str(key)), 1)
        await limits.stop()

    asyncio.run(spend())
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(rate_limits)).scalar() == 20


@pytest.mark.parametrize("url", ["redis://127.0.0.1:1", "database://"])
def test_where_nothing_can_be_counted_requests_pass_and_it_is_told(
    settings: Settings, url: str, tmp_path, caplog: pytest.LogCaptureFixture
) -> None:
    empty = make_engine(f"sqlite:///{tmp_path}/without_tables.db")
    passed_uncounted = []

    async def spend() -> str | None:
        counted = settings.model_copy(update={"limits_url": url})
        limits = make_limits(counted, empty, lambda: passed_uncounted.append(1))
        for _ in range(10):
            await limits.spend(caller("1/minute"), 1)
        await limits.stop()
        return limits.problem

    with caplog.at_level(logging.ERROR):
        problem = asyncio.run(spend())
    empty.dispose()
    assert "pass without" in problem
    assert len(passed_uncounted) == 10
    assert len(caplog.records) == 1  # not one for each request


def test_health_tells_that_limits_are_not_counted(
    settings: Settings, engine: Engine, champion: str
) -> None:
    new = NewKey("a test", ("predict",), None, rate="1/minute")
    key = create_key(engine, new, actor="a test", now=datetime.now(UTC))
    away = settings.model_copy(update={"limits_url": "redis://127.0.0.1:1"})
    with TestClient(create_app(away), headers=bearer(key)) as client:
        for _ in range(3):
            assert client.post("/predict", json=ONE).status_code == 200
        health = client.get("/health/ready").json()
        metrics = client.get("/metrics").text
    assert health["status"] == "degraded"
    assert "limits cannot be counted" in health["problem"]
    assert 'perennial_errors_total{kind="limits"} 3.0' in metrics


def test_a_hanging_counter_holds_up_one_request_a_second(settings: Settings) -> None:
    async def spend() -> float:
        hanging = socket.create_server(("127.0.0.1", 0))
        port = hanging.getsockname()[1]
        counted = settings.model_copy(update={"limits_url": f"redis://127.0.0.1:{port}"})
        limits = make_limits(counted, None, lambda: None)
        started = asyncio.get_running_loop().time()
        for _ in range(10):
            await limits.spend(caller("1/minute"), 1)
        took = asyncio.get_running_loop().time() - started
        await limits.stop()
        hanging.close()
        return took

    assert 0.9 < asyncio.run(spend()) < 3


@pytest.mark.parametrize("url", ["", "memory", "redis://", "memcached://x", "postgresql://x/y"])
def test_another_place_to_count_is_refused_in_one_sentence(settings: Settings, url: str) -> None:
    with pytest.raises(LimitsUrlError, match="PERENNIAL_LIMITS_URL"):
        check_limits(settings.model_copy(update={"limits_url": url}))


def test_counting_in_each_of_several_workers_is_warned_of(settings: Settings) -> None:
    assert check_limits(settings) is None
    assert "database://" in check_limits(settings.model_copy(update={"workers": 2}))
    shared = {"workers": 2, "limits_url": "database://"}
    assert check_limits(settings.model_copy(update=shared)) is None


@pytest.fixture
def postgresql() -> Iterator[Engine]:
    with temporary_postgresql() as url:
        engine = make_engine(url)
        migrate(engine)
        yield engine
        engine.dispose()


@pytest.mark.slow
def test_four_counters_pass_no_more_than_the_limit_together(
    settings: Settings, postgresql: Engine
) -> None:
    """Each of them counts with threads and connections of its own."""
    counted = settings.model_copy(update={"limits_url": "database://"})

    async def spend() -> int:
        workers = [make_limits(counted, postgresql, lambda: None) for _ in range(4)]
        passed = await asyncio.gather(
            *(spend_all(worker.spend, caller("25/hour"), 1, 60) for worker in workers)
        )
        for worker in workers:
            await worker.stop()
        return sum(passed)

    assert asyncio.run(spend()) == 25
