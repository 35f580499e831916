"""Idempotency-Key over HTTP: one row and one answer, however often a request is repeated."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, func, insert, select
from starlette.testclient import TestClient

from contracts.database import write_transaction
from contracts.settings import Settings
from contracts.tables import idempotency_keys, predictions
from service.app import create_app
from tests.bundles import EXAMPLE
from tests.conftest import NOW
from tests.service.servers import wait_for
from tests.service.test_outage import ledger, outage, wait_until_direct

BODY = {"features": EXAMPLE}
OTHER = {"features": {**EXAMPLE, "hour": 3}}


def ask(client: TestClient, key: str | bytes, body: object = BODY):
    return client.post("/predict", json=body, headers={"Idempotency-Key": key})


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(predictions)).scalar()


def test_a_repeated_request_gets_its_first_answer_and_one_row(
    client: TestClient, engine: Engine
) -> None:
    first = ask(client, "k1")
    assert first.status_code == 200
    assert [ask(client, "k1").content for _ in range(3)] == [first.content] * 3
    assert ask(client, "k2").content != first.content
    assert count(engine) == 2
    assert ledger(client)["balanced"]


def test_a_key_is_refused_for_another_body(client: TestClient, engine: Engine) -> None:
    ask(client, "k")
    refused = ask(client, "k", OTHER)
    assert refused.status_code == 422
    assert "another body" in refused.json()["detail"]
    assert count(engine) == 1


@pytest.mark.parametrize("key", ["", "x" * 201, b"caf\xe9", "a\tb"], ids=repr)
def test_keys_that_cannot_be_kept_are_400(client: TestClient, key: str | bytes) -> None:
    refused = ask(client, key)
    assert refused.status_code == 400
    assert "printable ASCII" in refused.json()["detail"]


def test_a_hundred_at_once_are_answered_alike(client: TestClient, engine: Engine) -> None:
    def insist(_: int) -> bytes:
        while (response := ask(client, "k")).status_code == 409:
            assert response.headers["retry-after"] == "1"
        assert response.status_code == 200
        return response.content

    with ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(insist, range(100)))
    assert len(answers) == 1
    assert count(engine) == 1


def test_a_request_that_failed_leaves_its_key_free(client: TestClient, engine: Engine) -> None:
    assert ask(client, "k", {"features": []}).status_code == 422
    assert ask(client, "k").status_code == 200


def test_a_restarted_service_knows_its_keys(
    settings: Settings, champion: str, engine: Engine
) -> None:
    with TestClient(create_app(settings)) as client:
        first = ask(client, "k")
    with TestClient(create_app(settings)) as client:
        # Nothing in memory: the database arbitrates, as it does between processes.
        assert ask(client, "k").content == first.content
        assert ask(client, "k", OTHER).status_code == 422
        assert ask(client, "new", OTHER).status_code == 200
        assert ledger(client)["balanced"]
    assert count(engine) == 2


def test_keys_hold_while_the_database_is_away(
    settings: Settings, champion: str, engine: Engine
) -> None:
    with TestClient(create_app(settings)) as client:
        before = ask(client, "before")
        with outage(engine):
            during = ask(client, "during")
            for _ in range(2):
                assert ask(client, "before").content == before.content
                assert ask(client, "during").content == during.content
            assert ask(client, "during", OTHER).status_code == 422
    with outage(engine), TestClient(create_app(settings)) as client:
        spooled = ask(client, "spooled")
    with outage(engine), TestClient(create_app(settings)) as client:
        assert ask(client, "spooled").content == spooled.content
    with TestClient(create_app(settings)) as client:
        wait_until_direct(client)
        for key, answer in (("before", before), ("during", during), ("spooled", spooled)):
            assert ask(client, key).content == answer.content
    assert count(engine) == 3


def test_keys_of_a_day_ago_are_purged(settings: Settings, champion: str, engine: Engine) -> None:
    old = {"owner": "", "digest": "d", "answer": "{}", "created_at": NOW.replace(year=2020)}
    with write_transaction(engine) as connection:
        rows = [{**old, "key": str(i)} for i in range(1200)]
        connection.execute(insert(idempotency_keys), rows)
    with TestClient(create_app(settings)) as client:
        ask(client, "new")
        wait_for(lambda: keys(engine) == ["new"])


def keys(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(idempotency_keys.c.key)).scalars())
