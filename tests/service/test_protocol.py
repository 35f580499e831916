"""Sockets that take too long, send too much or are too many."""

import resource
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from contracts.settings import Settings
from service.border.guard import Guard, Patience
from tests.bundles import EXAMPLE
from tests.service.servers import PATIENCE_SECONDS, service_process, serving, wait_for
from tests.service.sockets import ask, connected, detail, read_answer, request

BODY = b'{"features": [8, 61.5, null, "UA", "EWR"]}'
PREDICT = request("POST", "/predict", BODY)
SOON = Patience(head=0.3, body=0.3, linger=0.3, stuck=0.3)


@pytest.fixture
def port(settings: Settings, champion: str) -> Iterator[int]:
    with serving(settings) as port:
        yield port


@pytest.fixture
def hasty(settings: Settings, champion: str) -> Iterator[int]:
    """A server that loses patience after a third of a second, with room for ten connections."""
    with serving(settings, guard=Guard(SOON, max_connections=10, look_seconds=0.05)) as port:
        yield port


def test_the_example_is_answered_over_a_socket(port: int) -> None:
    assert len(EXAMPLE) == 5
    status, headers, body = ask(port, PREDICT)
    assert (status, b"prediction_id" in body) == (200, True)
    assert "date" in headers
    assert "server" not in headers


def test_requests_in_a_pipeline_are_answered_in_order(port: int) -> None:
    with connected(port) as raw:
        raw.sendall(PREDICT + request("GET", "/models") + request("GET", "/nowhere") + PREDICT)
        assert [read_answer(raw)[0] for _ in range(4)] == [200, 200, 404, 200]


def test_a_connection_that_wants_to_be_closed_is_closed_after_the_answer(port: int) -> None:
    with connected(port) as raw:
        raw.sendall(request("POST", "/predict", BODY, "Connection: close"))
        status, headers, _ = read_answer(raw)
        assert (status, headers["connection"]) == (200, "close")
        assert raw.recv(1) == b""


def test_a_client_that_asks_before_it_sends_is_told_to_continue(port: int) -> None:
    head = request("POST", "/predict", BODY, "Expect: 100-continue")[: -len(BODY)]
    with connected(port) as raw:
        raw.sendall(head)
        assert raw.recv(100).startswith(b"HTTP/1.1 100 ")
        raw.sendall(BODY)
        assert read_answer(raw)[0] == 200


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (request("GET", "/" + "x" * 9000), 414),
        (request("GET", "/", b"", *(f"X-{i}: 1" for i in range(200))), 431),
        (request("GET", "/", b"", "X-Long: " + "x" * 70_000), 431),
        (request("GET", "/", b"", "X-Longer: " + "x" * 1_000_000), 431),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100_000, 431),
        (b"\r\n" * 200_000, 431),
        (b"hello\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET /\xff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", 400),
    ],
    ids=["path", "100 headers", "long header", "1 MB header", "100k headers", "line breaks",
         "no HTTP", "TLS", "not ASCII", "length"],
)  # fmt: skip
def test_a_head_beyond_the_limits_is_refused(port: int, content: bytes, status: int) -> None:
    with connected(port) as raw:
        try:
            raw.sendall(content)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it was refused before it was all sent
        found, headers, body = read_answer(raw)
    assert found in (status, 0)  # 0: the rest of what was sent has reset the connection
    if found:
        assert headers["connection"] == "close"
        assert headers["x-content-type-options"] == "nosniff"
        assert detail(body)
    assert ask(port, PREDICT)[0] == 200


@pytest.mark.parametrize(
    "content",
    [b"", b"GET /health/live HT", b"GET / HTTP/1.1\r\nHost: localh", b"\r\n"],
    ids=["nothing", "half a line", "half a header", "a line break"],
)
def test_a_head_that_never_ends_is_told_408(hasty: int, content: bytes) -> None:
    with connected(hasty) as raw:
        raw.sendall(content)
        status, _, body = read_answer(raw)
        assert (status, "headers came too slowly" in detail(body)) == (408, True)
        assert raw.recv(1) == b""


def test_a_second_head_that_never_ends_is_told_408(hasty: int) -> None:
    with connected(hasty) as raw:
        raw.sendall(PREDICT)
        assert read_answer(raw)[0] == 200
        raw.sendall(b"POST /pre")
        assert read_answer(raw)[0] == 408


@pytest.mark.parametrize("path", ["/predict", "/outcomes", "/models/rollback"])
def test_a_body_that_never_ends_is_told_408(admin: dict, hasty: int, path: str) -> None:
    key = f"Authorization: {admin['Authorization']}"
    with connected(hasty) as raw:
        raw.sendall(request("POST", path, b"x" * 1000, *([key] if "models" in path else []))[:-990])
        status, headers, body = read_answer(raw)
        assert (status, "body came too slowly" in detail(body)) == (408, True)
        assert "x-request-id" in headers
        assert raw.recv(1) == b""


def test_a_body_that_trickles_in_is_told_408(hasty: int) -> None:
    with connected(hasty) as raw:
        raw.sendall(request("POST", "/predict", b"x" * 1000)[:-1000])
        stop = threading.Event()

        def trickle() -> None:
            while not stop.wait(0.05):
                raw.sendall(b"x")

        thread = threading.Thread(target=trickle)
        thread.start()
        status = read_answer(raw)[0]
        stop.set()
        thread.join()
    assert status == 408


def test_the_rest_of_a_refused_body_is_waited_for_but_not_for_ever(hasty: int) -> None:
    with connected(hasty) as raw:
        raw.sendall(request("POST", "/predict", b"x", "Content-Encoding: gzip")[:-1])
        assert read_answer(raw)[0] == 415
        assert raw.recv(1) == b""


def test_slow_answers_are_no_fault_of_the_client(hasty: int) -> None:
    with connected(hasty) as raw:
        for _ in range(4):
            raw.sendall(PREDICT)
            assert read_answer(raw)[0] == 200
            time.sleep(0.2)


def test_connections_beyond_the_limit_are_told_503(hasty: int) -> None:
    with ExitStack() as stack:
        raws = [stack.enter_context(connected(hasty)) for _ in range(30)]
        statuses = [read_answer(raw)[0] for raw in raws]
    assert statuses.count(503) == 20
    wait_for(lambda: ask(hasty, PREDICT)[0] == 200)


def test_a_body_without_a_length_is_read_up_to_the_limit(settings: Settings, champion: str) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    small = settings.model_copy(update={"max_body_bytes": 200_000})
    with serving(small) as port, connected(port) as raw:
        raw.sendall(head + 3 * chunk)
        time.sleep(0.1)
        raw.sendall(chunk)
        status, _, body = read_answer(raw)
        assert (status, "200000 bytes" in detail(body)) == (413, True)
        raw.sendall(b"0\r\n\r\n" + PREDICT)  # the refused body ends, and the connection goes on
        assert read_answer(raw)[0] == 200


@pytest.mark.slow
def test_a_gigabyte_without_a_length_costs_no_memory(
    settings: Settings, champion: str, tmp_path: Path
) -> None:
    head = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    with service_process(settings, tmp_path / "log") as (process, port):
        assert ask(port, PREDICT)[0] == 200
        before = psutil.Process(process.pid).memory_info().rss
        with connected(port) as raw:
            raw.sendall(head)
            try:
                for _ in range(1000):
                    raw.sendall(chunk)
            except (BrokenPipeError, ConnectionResetError):
                pass
            assert read_answer(raw)[0] in (413, 0)
        assert ask(port, PREDICT)[0] == 200
        grown = psutil.Process(process.pid).memory_info().rss - before
    assert grown < 20_000_000


@pytest.mark.slow
def test_a_thousand_slow_clients_harm_nobody(
    settings: Settings, champion: str, tmp_path: Path
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    with service_process(settings, tmp_path / "log") as (process, port), ExitStack() as stack:
        ask_many(port, 200)
        alone = percentile_99(ask_many(port, 500))
        before = psutil.Process(process.pid).memory_info().rss
        raws = [stack.enter_context(connected(port)) for _ in range(1000)]
        with ThreadPoolExecutor(1) as pool:
            pool.submit(trickle_heads, raws)
            beside = percentile_99(ask_many(port, 500))
        grown = psutil.Process(process.pid).memory_info().rss - before
        wait_for(lambda: read_answer(raws[0])[0] in (408, 0), PATIENCE_SECONDS)
        assert read_answer(raws[-1])[0] in (408, 0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert grown < 20_000_000
    assert beside < 2 * alone + 0.005


def trickle_heads(raws: list) -> None:
    for byte in b"GET /x":
        for raw in raws:
            raw.sendall(bytes([byte]))
        time.sleep(0.3)


def ask_many(port: int, number: int) -> list[float]:
    """Seconds of each of so many requests, one after the other."""
    seconds = []
    with connected(port) as raw:
        for _ in range(number):
            started = time.perf_counter()
            raw.sendall(PREDICT)
            assert read_answer(raw)[0] == 200
            seconds.append(time.perf_counter() - started)
    return seconds


def percentile_99(seconds: list[float]) -> float:
    return sorted(seconds)[int(0.99 * len(seconds))]
