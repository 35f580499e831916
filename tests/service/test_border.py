"""What every answer carries, and bodies and methods that are refused before anything is done."""

import json
import random
import string
import time

import pytest
from sqlalchemy import Engine, func, select
from starlette.testclient import TestClient

from contracts.settings import Settings
from contracts.tables import outcomes, predictions
from tests.bundles import EXAMPLE
from tests.service.servers import serving
from tests.service.sockets import ask, connected, read_answer, request

PAGES = ["/", "/reports", "/docs"]
ANSWERS = ["/health/live", "/health/ready", "/metrics", "/models", "/openapi.json", "/nowhere"]
SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}
CPU_SECONDS = 0.05
JSON_BOMBS = {
    "nested arrays": b"[" * 100_000 + b"]" * 100_000,
    "nested objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "nested in a row": b'{"features": [' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
    "nested in an outcome": b'{"prediction_id": "a", "outcome": ' + b"[" * 100_000,
    "a million digits": b'{"features": [' + b"1" * 1_000_000 + b"]}",
    "a million digits of an outcome": b'{"prediction_id": "a", "outcome": ' + b"1" * 10**6 + b"}",
    "beyond a float": b'{"features": [1e400, 1, 1, "UA", "EWR"]}',
    "NaN": b'{"features": [8, NaN, null, "UA", "EWR"]}',
    "Infinity": b'{"features": [8, -Infinity, null, "UA", "EWR"]}',
    "NaN as outcome": b'{"prediction_id": "a", "outcome": NaN}',
    "half a surrogate pair": b'{"features": [8, 61.5, null, "\\ud800", "EWR"]}',
    "NUL": b'{"features": [8, 61.5, null, "U\\u0000A", "EWR"]}',
    "a raw NUL": b'{"features": [8, 61.5, null, "U\x00A", "EWR"]}',
    "100,000 keys": json.dumps({f"k{i}": i for i in range(100_000)}).encode(),
    "100,000 keys in a row": json.dumps({"features": {f"k{i}": i for i in range(10**5)}}).encode(),
    "a million rows": b'{"instances": [' + b",".join([b"[1,2,3]"] * 1_000_000) + b"]}",
    "3 million empty rows": b'{"instances": [' + b",".join([b"{}"] * 3_000_000) + b"]}",
    "3 million outcomes": b'{"outcomes": [' + b",".join([b"{}"] * 3_000_000) + b"]}",
    "UTF-16": json.dumps({"features": [8, 61.5, None, "UA", "EWR"]}).encode("utf-16"),
    "UTF-32": json.dumps({"features": [8, 61.5, None, "UA", "EWR"]}).encode("utf-32"),
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps({"features": []}).encode(),
}


@pytest.mark.parametrize("path", [*ANSWERS, *PAGES])
def test_every_answer_keeps_browsers_in_their_place(client: TestClient, path: str) -> None:
    headers = client.get(path).headers
    assert SAFE.items() <= headers.items()
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "'unsafe-eval'" not in policy
    assert "http" not in policy
    assert headers["x-request-id"]


def test_predictions_and_refusals_carry_the_headers_too(
    settings: Settings, champion: str, closed_settings: Settings
) -> None:
    body = json.dumps({"features": EXAMPLE}).encode()
    with serving(settings) as port:
        found = [ask(port, request("POST", "/predict", one)) for one in (body, b"{}")]
        found.append(ask(port, request("PUT", "/predict")))
        found.append(ask(port, request("POST", "/predict", body, "Connection: close")))
    with serving(closed_settings) as port:
        found.append(ask(port, request("POST", "/predict", body)))
    assert [status for status, _, _ in found] == [200, 422, 405, 200, 401]
    for _, headers, _ in found:
        assert SAFE.items() <= headers.items()
        assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert "server" not in headers


@pytest.mark.parametrize(
    ("method", "path", "status", "allowed"),
    [
        ("GET", "/predict", 405, "POST"),
        ("OPTIONS", "/predict", 405, "POST"),
        ("HEAD", "/predict", 405, "POST"),
        ("GET", "/outcomes", 405, "POST"),
        ("BREW", "/models", 405, "GET"),
        ("DELETE", "/models", 405, "GET"),
        ("TRACE", "/models", 405, "GET"),
        ("PATCH", "/nowhere", 404, None),
    ],
)
def test_a_wrong_method_names_the_right_one(
    client: TestClient,
    admin: dict[str, str],
    method: str,
    path: str,
    status: int,
    allowed: str | None,
) -> None:
    answer = client.request(method, path, headers=admin)
    if path == "/predict" and answer.status_code == 403:  # an admin's key is no other key
        answer = client.request(method, path)
    assert (answer.status_code, answer.headers.get("allow")) == (status, allowed)


@pytest.mark.parametrize("path", ["/models", "/health/live", "/metrics", "/"])
def test_head_is_get_without_the_body(settings: Settings, champion: str, path: str) -> None:
    with serving(settings) as port, connected(port) as raw:
        raw.sendall(request("HEAD", path) + request("GET", "/health/live"))
        raw.settimeout(2)
        head = b""
        while head.count(b"\r\n\r\n") < 2:
            head += raw.recv(65_536)
    first, second = head.split(b"\r\n\r\n")[:2]
    assert first.startswith(b"HTTP/1.1 200")
    assert b"content-length" in first.lower()
    assert second.startswith(b"HTTP/1.1 200")


def test_connect_and_trace_are_refused_over_a_socket(settings: Settings, champion: str) -> None:
    with serving(settings) as port:
        for method, target in (("CONNECT", "localhost:80"), ("TRACE", "/"), ("TRACE", "/predict")):
            assert ask(port, request(method, target))[0] in (400, 401, 404, 405)
        assert ask(port, request("GET", "/health/live"))[0] == 200


@pytest.mark.parametrize("path", ["/predict", "/outcomes"])
@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/xml"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "br", "Content-Type": "application/json"},
    ],
    ids=lambda headers: "; ".join(headers.values()),
)
def test_what_is_not_plain_json_is_told_415(
    client: TestClient, path: str, headers: dict[str, str]
) -> None:
    answer = client.post(path, content=b'{"features": []}', headers=headers)
    assert answer.status_code == 415
    assert "send" in answer.json()["detail"]


@pytest.mark.parametrize(
    "kind", ["application/json", "Application/JSON; charset=utf-8", None], ids=str
)
def test_json_by_any_usual_name_is_read(client: TestClient, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    content = json.dumps({"features": EXAMPLE}).encode()
    assert client.post("/predict", content=content, headers=headers).status_code == 200


@pytest.mark.parametrize("path", ["/predict", "/outcomes", "/models/rollback"])
def test_a_body_that_says_it_is_too_long_is_not_waited_for(
    admin: dict[str, str], settings: Settings, champion: str, path: str
) -> None:
    key = [f"Authorization: {admin['Authorization']}"] if "models" in path else []
    with serving(settings) as port, connected(port) as raw:
        raw.sendall(request("POST", path, b"", "Content-Length: 10000001", *key))
        assert read_answer(raw)[0] == 413
    with serving(settings) as port, connected(port) as raw:
        raw.sendall(request("POST", path, b"", "Content-Length: " + "9" * 18, *key))
        assert read_answer(raw)[0] == 413


@pytest.mark.parametrize("path", ["/predict", "/outcomes", "/models/rollback"])
@pytest.mark.parametrize("name", JSON_BOMBS)
def test_json_bombs_are_refused_at_little_cost(
    admin: dict[str, str], client: TestClient, engine: Engine, path: str, name: str
) -> None:
    headers = admin if "models" in path else {}
    took = []
    for _ in range(3):  # a collection of garbage, or a neighbour's load, comes once
        started = time.process_time()
        answer = client.post(
            path,
            content=JSON_BOMBS[name],
            headers={"Content-Type": "application/json", **headers},
        )
        took.append(time.process_time() - started)
    assert 400 <= answer.status_code < 500, answer.text[:300]
    assert len(answer.content) < 100_000
    assert min(took) < 10 * CPU_SECONDS  # a guard; benchmarks measure on a quiet machine
    with engine.connect() as connection:
        for table in (predictions, outcomes):
            assert connection.execute(select(func.count()).select_from(table)).scalar() == 0
    assert client.post("/predict", json={"features": EXAMPLE}).status_code == 200


def test_of_a_key_that_comes_twice_the_last_value_counts(client: TestClient) -> None:
    row = json.dumps(EXAMPLE)[:-1]
    body = f'{{"features": {row}, "temp": 1.5}}}}'.encode()
    answer = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    (prediction_id,) = answer.json()["prediction_id"]
    assert client.get(f"/predictions/{prediction_id}").json()["features"]["temp"] == 1.5


def test_rows_with_brackets_in_their_text_are_not_taken_for_a_bomb(client: TestClient) -> None:
    rows = [{**EXAMPLE, "carrier": "[{]}" * 5}] * 2000
    assert client.post("/predict", json={"instances": rows}).status_code == 200


def test_made_up_paths_and_methods_add_no_series(client: TestClient) -> None:
    assert flood(client, 300) == 0


@pytest.mark.slow
def test_100_000_made_up_paths_and_methods_add_no_series(settings: Settings, champion: str) -> None:
    generator = random.Random(0)
    targets = ["/" + "".join(generator.choices(string.ascii_letters, k=8)) for _ in range(100_000)]
    methods = ["GET", "POST", "PUT", "PURGE", "SEARCH", "LINK"]
    with serving(settings) as port, connected(port) as raw:
        before = series(ask(port, request("GET", "/metrics"))[2].decode())
        for start in range(0, 100_000, 100):
            batch = targets[start : start + 100]
            raw.sendall(b"".join(request(generator.choice(methods), one) for one in batch))
            statuses = {read_answer(raw)[0] for _ in batch}
            assert statuses <= {401, 404, 405}
        after = series(ask(port, request("GET", "/metrics"))[2].decode())
    assert {name for name in after - before if "other" not in name and "/metrics" not in name
            and "errors" not in name} == set()  # fmt: skip
    assert len(after) - len(before) < 60


def flood(client: TestClient, number: int) -> int:
    """By how many series /metrics grows, after the first made-up request of each kind."""
    generator = random.Random(0)

    def ask_oddly() -> None:
        for path in ("/", "/models/", "/predictions/"):
            odd = "".join(generator.choices(string.ascii_letters, k=12))
            client.get(f"{path}{odd}")
            client.request(odd.upper(), path)
            client.request(odd.upper(), "/predict")

    ask_oddly()
    client.get("/metrics")
    before = len(series(client.get("/metrics").text))
    for _ in range(number // 9):
        ask_oddly()
    return len(series(client.get("/metrics").text)) - before


def series(text: str) -> set[str]:
    return {line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")}


def test_long_answers_are_packed_for_whoever_can_unpack_them(client: TestClient) -> None:
    packed = client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
    plain = client.get("/openapi.json", headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()
