"""Who is let in: every route by method by kind of key, and what a service needs to start."""

import base64
import subprocess
import sys
import time
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from contracts.settings import Settings
from service.access.access import AccessSettingsError, required_scope
from service.access.key_store import prefix_of, revoke_key
from service.app import create_app
from tests.bundles import EXAMPLE
from tests.conftest import bearer
from tests.service.servers import Load, environment, post, serving, wait_for

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
SCOPES = ("predict", "outcomes", "read", "admin")
INVALID = ("wrong", "expired", "revoked")
UNLISTED = ("/", "/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect", "/nope")
BODY = {"features": EXAMPLE}


def documented(client: TestClient, headers: dict[str, str]) -> dict[tuple[str, str], set[str]]:
    """The scopes that the API's own description asks for; empty = open to all."""
    paths = client.get("/openapi.json", headers=headers).json()["paths"]
    return {
        (method.upper(), path): {s for way in one["security"] for names in way.values()
                                 for s in names}
        for path, operations in paths.items()
        for method, one in operations.items()
    }  # fmt: skip


def wrong_cells(client: TestClient, keys: dict[str, str], *, is_open: bool) -> list[str]:
    """Cells of route by method by key that are not as the description says; and their number."""
    rights = documented(client, bearer(keys["read"]))
    wrong, count = [], 0
    for path in sorted({path for _, path in rights} | set(UNLISTED)):
        for method in METHODS:
            needed = rights.get((method, path), _default(method, path, rights))
            for kind in (None, *INVALID, *SCOPES, "all"):
                headers = {} if kind is None else bearer(keys[kind])
                url = path.replace("{", "").replace("}", "")
                status = client.request(method, url, headers=headers, json={}).status_code
                expected = _expected(needed, kind, is_open)
                count += 1
                if _outcome(status) != expected:
                    wrong.append(f"{method} {path} {kind}: {status}, not {expected}")
    assert count > 1000
    return wrong


def _default(method: str, path: str, rights: dict[tuple[str, str], set[str]]) -> set[str]:
    """What a method needs that a path does not have: it must not be told to strangers."""
    if rights.get(("GET", path)) == set():
        return set()
    if method in ("GET", "HEAD"):
        return {"read"}
    return rights.get(("POST", path), set()) if path in ("/predict", "/outcomes") else {"admin"}


def _expected(needed: set[str], kind: str | None, is_open: bool) -> str:
    opened = is_open and needed != {"admin"}
    if not needed or (opened and kind not in INVALID):
        return "let in"
    if kind is None or kind in INVALID:
        return "401"
    return "let in" if kind in {*needed, "all"} else "403"


def _outcome(status: int) -> str:
    assert status < 500
    return str(status) if status in (401, 403) else "let in"


def test_no_cell_of_the_closed_matrix_is_wrong(closed: TestClient, keys: dict[str, str]) -> None:
    assert wrong_cells(closed, keys, is_open=False) == []


def test_no_cell_of_the_open_matrix_is_wrong(
    settings: Settings, champion: str, keys: dict[str, str]
) -> None:
    with TestClient(create_app(settings)) as client:
        assert wrong_cells(client, keys, is_open=True) == []


def test_every_way_to_show_a_key_counts(closed: TestClient, keys: dict[str, str]) -> None:
    key = keys["all"]
    for headers in (bearer(key), {"X-API-Key": key}, {"authorization": f"BEARER  {key} "}):
        assert closed.get("/models", headers=headers).status_code == 200
        assert closed.post("/predict", json=BODY, headers=headers).status_code == 200


def test_a_browser_may_read_with_the_key_as_its_password(
    closed: TestClient, keys: dict[str, str]
) -> None:
    words = base64.b64encode(f"me:{keys['all']}".encode()).decode()
    headers = {"Authorization": f"Basic {words}", "Accept": "text/html"}
    assert closed.get("/reports", headers=headers).status_code == 200
    for path in ("/predict", "/outcomes", "/models/rollback"):  # a stranger's form could
        answer = closed.post(path, headers=headers, json={})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"


def test_what_is_not_a_key_is_refused_alike(closed: TestClient, keys: dict[str, str]) -> None:
    given = [
        {}, bearer(keys["wrong"]), bearer(keys["expired"]), bearer(keys["revoked"]), bearer(""),
        bearer(keys["all"][:-1]), bearer(keys["all"].upper()), bearer("a.b.c"),
        {"Authorization": "Basic é"}, {"Authorization": keys["all"]}, {"X-API-Key": ""},
        {"Authorization": f"Digest {keys['all']}"}, bearer("x" * 9000),
        {"X-API-Key": "nope", **bearer(keys["all"])},
    ]  # fmt: skip
    answers = [
        closed.post("/predict", json=BODY, headers={k: v.encode() for k, v in one.items()})
        for one in given
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.content for answer in answers}) == 1
    assert {answer.headers["www-authenticate"] for answer in answers} == {"Bearer"}


def test_what_is_not_listed_needs_read_or_admin() -> None:
    assert required_scope("GET", "/anything") == "read"
    for method in ("POST", "PUT", "DELETE", "BREW"):
        assert required_scope(method, "/anything") == "admin"
        assert required_scope(method, "/health/live") is None
    assert required_scope("GET", "/health/live/") == "read"
    assert required_scope("POST", "/predict/") == "admin"


def test_the_description_says_how_each_operation_refuses(
    closed: TestClient, keys: dict[str, str]
) -> None:
    api = closed.get("/openapi.json", headers=bearer(keys["read"])).json()
    assert set(api["components"]["securitySchemes"]) == {"bearer", "key", "basic"}
    predict = api["paths"]["/predict"]["post"]
    assert predict["security"] == [{"bearer": ["predict"]}, {"key": ["predict"]}]
    assert {"400", "401", "403", "429"} <= set(predict["responses"])
    assert api["paths"]["/health/live"]["get"]["security"] == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com"])
def test_open_is_for_the_loopback_alone(settings: Settings, host: str) -> None:
    with pytest.raises(AccessSettingsError, match="PERENNIAL_HOST=127.0.0.1"):
        create_app(settings.model_copy(update={"host": host}))


def _start(settings: Settings, **more: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "service"], env={**environment(settings), **more},
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"PERENNIAL_HOST": "0.0.0.0"}, "service.keys create"),
        ({"PERENNIAL_HOST": "0.0.0.0", "PERENNIAL_ACCESS": "open"}, "PERENNIAL_HOST=127.0.0.1"),
        ({"PERENNIAL_OIDC_ISSUER": "https://a"}, "PERENNIAL_OIDC_AUDIENCE"),
        ({"PERENNIAL_OIDC_ISSUER": "http://a", "PERENNIAL_OIDC_AUDIENCE": "x"}, "https://"),
    ],
    ids=str,
)
def test_a_start_that_would_leave_it_open_is_refused_in_one_line(
    closed_settings: Settings, champion: str, more: dict[str, str], told: str
) -> None:
    run = _start(closed_settings, **more)
    assert run.returncode == 1
    assert run.stderr.startswith("cannot start: ")
    assert run.stderr.count("\n") == 1
    assert told in run.stderr


def test_a_revoked_key_is_refused_within_a_second_and_the_other_never(
    closed_settings: Settings, champion: str, keys: dict[str, str], engine: Engine
) -> None:
    with serving(closed_settings) as port:
        load = Load(port, BODY, threads=2, key=keys["predict"])
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        assert post(connection, "/predict", BODY, keys["all"])[0] == 200
        revoke_key(engine, prefix_of(keys["all"]), actor="a test", now=datetime.now(UTC))
        began = time.monotonic()
        while post(connection, "/predict", BODY, keys["all"])[0] == 200:
            assert time.monotonic() - began < 1
        for _ in range(50):
            assert post(connection, "/predict", BODY, keys["all"])[0] == 401
        connection.close()
        load.stop()
    assert set(load.statuses) == {200}


def test_an_unreachable_database_keeps_the_last_keys_and_health_tells(
    closed: TestClient, keys: dict[str, str], engine: Engine
) -> None:
    with engine.connect().execution_options(write=True) as connection, connection.begin():
        connection.exec_driver_sql("ALTER TABLE api_keys RENAME TO elsewhere")
    wait_for(lambda: "the keys were last read" in closed.get("/health/ready").text)
    assert closed.get("/models", headers=bearer(keys["read"])).status_code == 200


def test_keys_are_nowhere_but_with_their_holders(
    closed: TestClient, keys: dict[str, str], settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    for key in keys.values():
        for headers in (bearer(key), {"X-API-Key": key}):
            closed.post("/predict", json=BODY, headers=headers)
            closed.post("/models/rollback", headers=headers)
    seen = closed.get("/metrics", headers=bearer(keys["read"])).content + caplog.text.encode()
    files = Path(settings.database_url.removeprefix("sqlite:///")).parent.rglob("*")
    seen += b"".join(path.read_bytes() for path in files if path.is_file())
    assert len(seen) > 10_000
    for key in keys.values():
        assert key[20:].encode() not in seen
        assert base64.b64encode(f":{key}".encode())[:40] not in seen


def test_admission_costs_microseconds(closed: TestClient, keys: dict[str, str]) -> None:
    """Not a benchmark: a guard against a database or a slow hash on the hot path."""
    access = closed.app._access  # type: ignore[attr-defined]
    pairs = [(b"host", b"testserver"), (b"x-api-key", keys["predict"].encode())]
    request = {"method": "POST", "path": "/predict", "raw_path": b"/predict", "headers": pairs}
    headers = dict(pairs)
    began = time.perf_counter()
    for _ in range(10_000):
        access.admit(request, headers)
    assert (time.perf_counter() - began) / 10_000 < 50e-6
