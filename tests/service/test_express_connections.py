"""The short way on connections: pipelines, hang-ups, stops, and what breaks."""

import gc
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from contracts.database import write_transaction
from contracts.settings import Settings
from service.border.express import Express
from service.border.guard import Guard, Patience
from tests.service.express_server import BODY, PREDICT, Server, rows
from tests.service.servers import service_process, wait_for
from tests.service.sockets import ask, connected, detail, read_answer, request


@pytest.fixture
def server(settings: Settings, champion: str) -> Iterator[Server]:
    with Server(settings) as server:
        yield server


def test_a_pipeline_of_both_ways_is_answered_in_order(server: Server, engine: Engine) -> None:
    numbered = [
        request(
            "POST", "/predict", BODY, f"X-Request-Id: {number}", *(["Expect: x"] * (number % 2))
        )
        for number in range(20)
    ]
    with connected(server.port) as raw:
        raw.sendall(b"".join(numbered))
        answers = [read_answer(raw) for _ in numbered]
    assert [answer[0] for answer in answers] == [200] * 20
    assert [answer[1]["x-request-id"] for answer in answers] == [str(i) for i in range(20)]
    assert server.taken > 0
    assert rows(engine) == 20


@pytest.mark.parametrize(
    "content",
    [request("POST", "/predict", BODY, "Connection: close"),
     PREDICT.replace(b"HTTP/1.1", b"HTTP/1.0")],
    ids=["close", "HTTP/1.0"],
)  # fmt: skip
def test_a_connection_that_is_not_kept_is_closed(server: Server, content: bytes) -> None:
    with connected(server.port) as raw:
        raw.sendall(content)
        status, headers, _ = read_answer(raw)
        assert (status, headers["connection"], raw.recv(1)) == (200, "close", b"")
    assert server.taken == 1


def test_a_connection_that_stays_idle_is_closed(settings: Settings, champion: str) -> None:
    hasty = Guard(Patience(idle=0.2), max_connections=10, look_seconds=0.05)
    with Server(settings, guard=hasty) as server, connected(server.port) as raw:
        for _ in range(4):
            raw.sendall(PREDICT)
            assert read_answer(raw)[0] == 200
            time.sleep(0.1)
        assert raw.recv(1) == b""


def test_a_client_that_hangs_up_has_its_row_all_the_same(server: Server, engine: Engine) -> None:
    for _ in range(20):
        with connected(server.port) as raw:
            raw.sendall(PREDICT)
    wait_for(lambda: rows(engine) == 20)
    assert ask(server.port, PREDICT)[0] == 200


def test_while_nothing_durable_is_possible_it_answers_503(
    settings: Settings, champion: str, engine: Engine
) -> None:
    full = settings.model_copy(update={"spool_max_bytes": 1, "commit_patience_seconds": 0.1})
    with Server(full) as server:
        with write_transaction(engine):  # the database is locked for as long as this lasts
            status, headers, body = ask(server.port, PREDICT)
            assert (status, headers["retry-after"]) == (503, "1")
            assert "nothing was recorded" in detail(body)
        assert server.taken == 1


def test_a_stop_answers_what_has_begun_to_arrive(
    settings: Settings, champion: str, tmp_path: Path
) -> None:
    with service_process(settings, tmp_path / "log") as (process, port), connected(port) as raw:
        raw.sendall(PREDICT[:-1])
        time.sleep(0.1)
        process.terminate()
        time.sleep(0.3)
        raw.sendall(PREDICT[-1:])
        status, headers, _ = read_answer(raw)
        assert (status, headers["connection"]) == (200, "close")


def test_a_connection_that_breaks_costs_others_no_answer(server: Server, engine: Engine) -> None:
    with connected(server.port) as good:
        for _ in range(20):
            with connected(server.port) as bad:
                bad.sendall(PREDICT + PREDICT + b"\x16\x03\x01\r\n\r\n")
                good.sendall(PREDICT)
                assert read_answer(good)[0] == 200
    metrics = ask(server.port, request("GET", "/metrics"))[2].decode()
    counted = 'perennial_requests_total{method="POST",route="/predict",status="200"}'
    answered = [line for line in metrics.splitlines() if line.startswith(counted)]
    assert float(answered[0].split()[-1]) >= rows(engine)


def test_a_closed_connection_leaves_nothing_for_the_garbage_collector(server: Server) -> None:
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            assert ask(server.port, PREDICT)[0] == 200
        wait_for(lambda: sum(type(each) is Express for each in gc.get_objects()) <= 1)
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["X-API-Key: perennial", "Content-Length: 10"], 401),
        (["Content-Encoding: gzip", "Content-Length: 10"], 415),
        (["Content-Length: 99999999999"], 413),
        (["Origin: http://elsewhere.example", "Content-Length: 10"], 403),
    ],
    ids=["key", "gzip", "length", "origin"],
)
def test_what_the_head_refuses_is_refused_before_the_body_comes(
    closed_settings: Settings, champion: str, keys: dict[str, str], headers: list[str], status: int
) -> None:
    if not headers[0].startswith("X-API-Key"):
        headers = [f"X-API-Key: {keys['predict']}", *headers]
    with Server(closed_settings) as server, connected(server.port) as raw:
        started = time.monotonic()
        raw.sendall(request("POST", "/predict", b"", *headers))
        assert read_answer(raw)[0] == status
        assert time.monotonic() - started < closed_settings.body_seconds / 2
