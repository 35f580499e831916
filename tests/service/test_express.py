"""The short way of a usual POST /predict: it answers what the usual way would, and nothing else."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, select

from contracts.database import write_transaction
from contracts.settings import Settings
from contracts.tables import predictions, shadow_predictions
from contracts.traffic import Rule, arm_of
from contracts.traffic_rules import change_traffic, check_traffic
from service.border.express import MAX_BYTES
from tests.bundles import EXAMPLE
from tests.conftest import NOW
from tests.service.express_server import BODY, PREDICT, Server
from tests.service.sockets import ask, connected, read_answer, request


@pytest.fixture
def server(settings: Settings, champion: str) -> Iterator[Server]:
    with Server(settings) as server:
        yield server


@pytest.mark.parametrize("cuts", [[], [10], [-1], [-len(BODY)], [10, -len(BODY) - 1, -5]])
def test_a_usual_request_goes_the_short_way_however_it_arrives(
    server: Server, cuts: list[int]
) -> None:
    ends = [*(cut % len(PREDICT) for cut in cuts), len(PREDICT)]
    with connected(server.port) as raw:
        for start, end in zip([0, *ends], ends, strict=False):
            raw.sendall(PREDICT[start:end])
            time.sleep(0.02)
        assert read_answer(raw)[0] == 200
    assert server.taken == 1


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["Content-Type: application/json; charset=utf-8"], 200),
        (["Content-Type: text/plain"], 415),
        (["Content-Encoding: gzip"], 415),
        (["Idempotency-Key: 123456789"], 200),
        (["Origin: http://elsewhere.example"], 403),
        (["X-API-Key: 1", "X-API-Key: 2"], 400),
        (["Host: elsewhere.example"], 400),
        (["Upgrade: websocket", "Connection: Upgrade"], 422),
    ],
    ids=lambda given: given[0].split(":")[0] if isinstance(given, list) else None,
)
def test_what_is_unusual_goes_the_usual_way(
    server: Server, headers: list[str], status: int
) -> None:
    assert ask(server.port, request("POST", "/predict", BODY, *headers))[0] == status
    assert server.taken == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"features": [1]}', 422),
        (b"[", 422),
        (b"", 422),
        (json.dumps({"instances": [EXAMPLE] * 3 * (MAX_BYTES // len(BODY))}).encode(), 200),
        (json.dumps({"features": EXAMPLE, "event_time": "today"}).encode(), 422),
    ],
    ids=["short", "no JSON", "empty", "large", "event time"],
)
def test_bodies_that_are_wrong_or_large_go_the_usual_way(
    server: Server, body: bytes, status: int
) -> None:
    head = request("POST", "/predict", b"", f"Content-Length: {len(body)}")
    assert ask(server.port, head + body)[0] == status
    assert server.taken == 0


def test_both_ways_answer_with_the_same_headers(server: Server) -> None:
    usual = request("POST", "/predict", BODY, "Content-Type: application/json; charset=utf-8")
    short, long = (ask(server.port, content) for content in (PREDICT, usual))
    assert server.taken == 1
    for changing in ("x-request-id", "date"):
        assert short[1].pop(changing)
        assert long[1].pop(changing)
    assert short[1] == long[1]
    assert json.loads(short[2]).keys() == json.loads(long[2]).keys()


def test_the_callers_request_id_comes_back(server: Server) -> None:
    _, headers, _ = ask(server.port, request("POST", "/predict", BODY, "X-Request-Id: mine-1"))
    assert (headers["x-request-id"], server.taken) == ("mine-1", 1)


@pytest.mark.parametrize("kind", ["none", "revoked", "expired", "outcomes", "read", "unknown"])
def test_nobody_is_let_in_the_short_way_without_a_key_that_may(
    closed_settings: Settings, champion: str, keys: dict[str, str], kind: str
) -> None:
    key = {"none": "", "unknown": "X-API-Key: perennial"}.get(kind)
    header = f"X-API-Key: {keys[kind]}" if key is None else key
    content = request("POST", "/predict", BODY, *filter(None, [header]))
    with Server(closed_settings) as server:
        status = ask(server.port, content)[0]
        assert status == (403 if kind in ("outcomes", "read") else 401)
        assert server.taken == 0
        good = request("POST", "/predict", BODY, f"Authorization: Bearer {keys['predict']}")
        assert ask(server.port, good)[0] == 200
        assert server.taken == 1


@pytest.mark.parametrize("cut", [0, -1], ids=["at once", "in two packets"])
def test_a_key_in_a_trailer_opens_nothing(
    closed_settings: Settings, champion: str, keys: dict[str, str], cut: int
) -> None:
    head = request("POST", "/predict", b"", "Transfer-Encoding: chunked", "Trailer: X-API-Key")
    end = f"0\r\nX-API-Key: {keys['predict']}\r\n\r\n".encode()
    body = b"%x\r\n%b\r\n%b" % (len(BODY), BODY, end)
    with Server(closed_settings) as server, connected(server.port) as raw:
        raw.sendall(head + body[: cut or None])
        time.sleep(0.02)
        raw.sendall(body[cut:] if cut else b"")
        assert read_answer(raw)[0] == 401


def divide(settings: Settings, engine: Engine, rule: Rule) -> None:
    with engine.connect() as connection:
        checked = check_traffic(connection, settings.bundles_dir, rule)
    with write_transaction(engine) as connection:
        change_traffic(connection, checked, actor="a test", reason="a test", now=NOW)


def answers(server: Server, number: int) -> list[dict[str, Any]]:
    with connected(server.port) as raw:
        found = []
        for _ in range(number):
            raw.sendall(PREDICT)
            status, _, body = read_answer(raw)
            assert status == 200
            found.append(json.loads(body))
    return found


def test_a_canary_is_answered_the_short_way(
    settings: Settings, champion: str, registered: tuple[str, str], engine: Engine
) -> None:
    rule = Rule("canary", registered[1], 0.5)
    divide(settings, engine, rule)
    with Server(settings) as server:
        found = answers(server, 200)
        assert server.taken == 200
    versions = {each["prediction_id"][0]: each["model_version"] for each in found}
    expected = {one: registered[arm_of(rule, one) == "other"] for one in versions}
    assert versions == expected
    assert 60 < list(versions.values()).count(registered[1]) < 140
    with engine.connect() as connection:
        query = select(predictions.c.prediction_id, predictions.c.model_version)
        logged = {row.prediction_id: row.model_version for row in connection.execute(query)}
    assert logged == versions


def test_a_shadow_is_asked_the_short_way(
    settings: Settings, champion: str, registered: tuple[str, str], engine: Engine
) -> None:
    divide(settings, engine, Rule("shadow", registered[1]))
    with Server(settings) as server:
        found = answers(server, 20)
        assert server.taken == 20
    assert {each["model_version"] for each in found} == {champion}
    with engine.connect() as connection:
        shadowed = connection.execute(select(shadow_predictions.c.prediction_id)).scalars()
        assert set(shadowed) == {each["prediction_id"][0] for each in found}
