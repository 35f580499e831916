"""A PostgreSQL server that freezes, loses connections or is shared by several services."""

import asyncio
import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psutil
import pytest
from sqlalchemy import Engine, select, text
from starlette.testclient import TestClient

from contracts.database import make_engine
from contracts.migrate import migrate
from contracts.registry import register
from contracts.settings import Settings
from contracts.tables import predictions
from service.app import create_app, utc_now
from service.ledger.ledger import Ledger
from service.observe.metrics import Metrics
from service.versions.serving import load_serving
from tests.bundles import EXAMPLE
from tests.conftest import NOW, MadeBundle, make_champion
from tests.postgresql import temporary_postgresql
from tests.service.servers import Load, serving, wait_for
from tests.service.test_outage import ledger, predict, wait_until_direct

pytestmark = pytest.mark.slow
BODY = {"features": EXAMPLE}
MANY = {"instances": [EXAMPLE] * 500}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with temporary_postgresql() as url:
        yield url


@pytest.fixture
def database(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def on_postgresql(settings: Settings, database: Engine, url: str, bundle_a: MadeBundle) -> Settings:
    on_postgresql = settings.model_copy(update={"database_url": url})
    register(database, on_postgresql.bundles_dir, bundle_a.directory, NOW, {})
    make_champion(database, bundle_a.version)
    return on_postgresql


@contextmanager
def frozen(engine: Engine) -> Iterator[None]:
    """Every process of the server stands still: packets are taken, nothing is ever answered."""
    with engine.connect() as connection:
        backend = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    postmaster = psutil.Process(backend).parent()
    assert postmaster is not None
    stopped = [postmaster, *postmaster.children()]
    for process in stopped:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in stopped:
            process.send_signal(signal.SIGCONT)


def times_stored(engine: Engine, ids: list[str]) -> dict[str, int]:
    query = select(predictions.c.prediction_id).where(predictions.c.prediction_id.in_(ids))
    with engine.connect() as connection:
        found = list(connection.execute(query).scalars())
    return {one: found.count(one) for one in ids}


def test_a_frozen_server_is_not_noticed_by_clients(
    on_postgresql: Settings, database: Engine
) -> None:
    with TestClient(create_app(on_postgresql)) as client:
        ids = predict(client)
        with frozen(database):
            seconds = []
            for _ in range(20):
                started = time.perf_counter()
                ids += predict(client)
                seconds.append(time.perf_counter() - started)
            assert ledger(client)["mode"] == "spooling"
            assert ledger(client)["balanced"]
        assert max(seconds) < 1  # the one that ran out of patience
        assert sorted(seconds)[-2] < 0.2
        wait_until_direct(client)
        ids += predict(client, MANY)
    assert set(times_stored(database, ids).values()) == {1}


def test_the_ledger_stops_while_the_server_is_frozen(
    on_postgresql: Settings, database: Engine, bundle_a: MadeBundle
) -> None:
    serving = load_serving(on_postgresql.bundles_dir, bundle_a.version, 10)
    decoded = serving.decoder.decode(json.dumps(BODY).encode())

    async def main() -> list[str]:
        ledger = Ledger(database, Metrics(), utc_now, on_postgresql)
        ledger.start()
        with frozen(database):
            answer = await ledger.predict(serving.predictor, decoded)
            started = time.perf_counter()
            await ledger.stop()
            assert time.perf_counter() - started < 10
        return answer.prediction_id

    ids = asyncio.run(main())
    with TestClient(create_app(on_postgresql)) as client:
        wait_until_direct(client)
    assert set(times_stored(database, ids).values()) == {1}


# SQLAlchemy forgets a connection that dies while it is asked who it is.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_connections_killed_under_load_lose_and_double_nothing(
    on_postgresql: Settings, database: Engine
) -> None:
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    with serving(on_postgresql) as port:
        load = Load(port, BODY, threads=8)
        for _ in range(20):
            time.sleep(0.1)
            with database.connect() as connection:
                connection.execute(text(others))
        wait_for(lambda: len(load.ids) > 200)
        load.stop()
    assert set(load.statuses) == {200}
    with TestClient(create_app(on_postgresql)) as client:
        wait_until_direct(client)
    assert set(times_stored(database, list(load.ids)).values()) == {1}


def test_one_key_at_two_services_is_one_row(on_postgresql: Settings, database: Engine) -> None:
    with TestClient(create_app(on_postgresql)) as one, TestClient(create_app(on_postgresql)) as two:

        def insist(number: int) -> bytes:
            client = (one, two)[number % 2]
            while True:
                response = client.post("/predict", json=BODY, headers={"Idempotency-Key": "k"})
                if response.status_code != 409:
                    assert response.status_code == 200
                    return response.content

        with ThreadPoolExecutor(8) as pool:
            answers = set(pool.map(insist, range(100)))
        assert len(answers) == 1
        assert ledger(one)["answered"] + ledger(two)["answered"] == 1
    (found,) = times_stored(database, json.loads(answers.pop())["prediction_id"]).values()
    assert found == 1


def test_rows_read_back_as_they_were_answered(on_postgresql: Settings, database: Engine) -> None:
    with TestClient(create_app(on_postgresql)) as client:
        for body in (BODY, MANY):
            answer = client.post("/predict", json=body).json()
            row = client.get(f"/predictions/{answer['prediction_id'][-1]}").json()
            assert row["features"] == EXAMPLE
            assert row["probability"] == answer["probability"][-1]
            assert row["prediction"] == answer["prediction"][-1]
            assert row["event_time"] == row["predicted_at"]
