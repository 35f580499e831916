"""Requests that mean to look like others, byte by byte over a socket: none is let in."""

import socket
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine

from contracts.settings import Settings
from service.access.hosts import host_pattern
from tests.conftest import make_key
from tests.service.servers import serving

HOSTS = [
    "", " ", "evil.example", "evil.example:8000", "localhost.evil.example", "evil.localhost",
    "localhost@evil.example", "evil@localhost", "localhost/health/live", "localhost/health/live?x=",
    "localhost?x=", "localhost#", "localhost/", "localhost\\", "a/?x=", "a/health/live?x=",
    "a/metrics#", "@h", "//", "localhost,evil", "localhost evil", "localhost:",
    "localhost:99999999", "localhost:80a",
    "localhost:8000/health", "localhost:8000@evil", "127.0.0.1.evil", "127.1",
    "2130706433", "0x7f000001", "0.0.0.0", "[::1", "::1", "[::1]evil", "[::]", "localhost%00",
    "localhost%2f", "http://localhost", "localhost.", "..", "-", "*", "'", '"', "localhost;",
    "{localhost}", "\x7f", "\xe9", "local\thost", "LOCALHOST.EVIL", "xn--localhost", "null",
]  # fmt: skip
TARGETS = [
    "//metrics", "///metrics", "/./metrics", "/health/../metrics", "/health/live/../../metrics",
    "/%2e%2e/metrics", "/health/live%2f..%2f..%2fmetrics", "/health/live/%2e%2e/metrics",
    "/metrics%00", "/%00/metrics", "/health/live%00/../metrics", "/@evil/metrics", "/metrics@evil",
    "@evil/metrics", "/metrics\\", "/health/live\\..\\metrics", "/health/live%5c..%5cmetrics",
    "/metrics%0d%0aX: y", "/%252e%252e/metrics", "http://localhost/metrics", "http://evil/metrics",
    "http://evil/health/live/../metrics", "http://localhost@evil/metrics", "evil:80", "*", "?x",
    "/metrics#/health/live", "/health/live#/../metrics?", "/metrics?/health/live", "/METRICS",
    "/metrics/", "/metrics;/health/live", "/metrics%3f/health/live", "/%6d%65%74%72%69%63%73",
    "", "metrics", "/\xe9", "//evil.example/metrics", "http:///metrics", "/metrics%7f",
]  # fmt: skip
PROTECTED = [("GET", path) for path in ("/metrics", "/models", "/reports", "/openapi.json", "/docs",
                                        "/", "/predictions/x", "/reports/x.html")]  # fmt: skip
PROTECTED += [("POST", path) for path in ("/predict", "/outcomes", "/models/rollback",
                                          "/models/x/promote")]  # fmt: skip
REFUSED = {400, 401, 404}


@pytest.fixture
def port(closed_settings: Settings, champion: str) -> Iterator[int]:
    settings = closed_settings.model_copy(update={"allowed_hosts": ""})
    with serving(settings) as port:
        yield port


@pytest.fixture
def key(engine: Engine) -> str:
    return make_key(engine, "predict", "outcomes", "read", "admin")


def ask(port: int, target: str, *lines: str, method: str = "GET") -> int:
    """The status of one request, written as it is given."""
    head = "\r\n".join([f"{method} {target} HTTP/1.1", *lines, "Connection: close", "", ""])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(head.encode("latin-1"))
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return int(answer.split()[1])


@pytest.mark.parametrize("with_key", [False, True])
def test_no_host_is_a_way_in(key: str, port: int, with_key: bool) -> None:
    shown = [f"X-API-Key: {key}"] if with_key else []
    assert len(HOSTS) >= 50
    answers = {
        (host, method, path): ask(port, path, f"Host: {host}", "Content-Length: 0", *shown,
                                  method=method)
        for host in HOSTS for method, path in PROTECTED
    }  # fmt: skip
    assert {cell: status for cell, status in answers.items() if status != 400} == {}


def test_no_target_is_a_way_in(port: int) -> None:
    for target in TARGETS:
        for method in ("GET", "POST", "HEAD"):
            status = ask(port, target, "Host: localhost", "Content-Length: 0", method=method)
            live = target.startswith("/health/live#")  # what follows is not sent to a route
            allowed = {200, 401, 405} if live else REFUSED
            assert status in allowed, (method, target, status)


def test_a_key_does_not_make_an_odd_path_a_route(key: str, port: int) -> None:
    shown = (f"X-API-Key: {key}", "Host: localhost")
    assert ask(port, "/metrics", *shown) == 200
    for target in TARGETS[:19]:
        assert ask(port, target, *shown) in (400, 404), target


@pytest.mark.parametrize("host", ["localhost", "LocalHost:1", "127.0.0.1:8000", "[::1]:80"])
def test_our_own_names_are_answered_on_any_port(key: str, port: int, host: str) -> None:
    assert ask(port, "/metrics", f"Host: {host}", f"X-API-Key: {key}") == 200


def test_probes_ask_by_address(port: int) -> None:
    assert ask(port, "/health/live", "Host: 10.1.2.3:8000") == 200
    assert ask(port, "/health/live", "Host: a/b") == 400


@pytest.mark.parametrize(
    "twice",
    ["Host: localhost", "X-API-Key: {key}", "Authorization: Bearer {key}", "Idempotency-Key: a",
     "Content-Length: 0", "Content-Type: application/json"],
)  # fmt: skip
def test_a_header_that_counts_comes_once(key: str, port: int, twice: str) -> None:
    line = twice.format(key=key)
    others = [one for one in ("Host: localhost", f"X-API-Key: {key}") if one != line]
    assert ask(port, "/models", *others, line) == 200
    assert ask(port, "/models", *others, line, line.upper() if "key" not in line else line) == 400


def test_two_headers_that_decide_nothing_are_fine(key: str, port: int) -> None:
    shown = ("Host: localhost", f"X-API-Key: {key}", "Accept: a/b", "Accept: c/d")
    assert ask(port, "/models", *shown) == 200


def test_no_host_at_all_is_refused(key: str, port: int) -> None:
    assert ask(port, "/models", f"X-API-Key: {key}") == 400
    assert ask(port, "/health/live") == 400


def test_names_come_from_the_settings(settings: Settings) -> None:
    def named(**more: str) -> Callable[[bytes], object]:
        return host_pattern(settings.model_copy(update=more)).fullmatch

    ours = named(allowed_hosts="api.example.com, ::1", host="0.0.0.0")
    assert ours(b"API.example.com:443")
    assert ours(b"[::1]:80")
    assert not ours(b"apixexample.com")
    assert not ours(b"localhost")
    anywhere = named(allowed_hosts="", host="0.0.0.0")
    assert anywhere(b"service.namespace.svc:8000")
    assert not anywhere(b"a/b")
    assert not anywhere(b"")
