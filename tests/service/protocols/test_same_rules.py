"""What holds for /predict holds for every other protocol: access, limits, idempotency, ledger."""

import json
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from starlette.testclient import TestClient

from contracts.settings import Settings
from contracts.tables import predictions
from service.app import create_app
from tests.bundles import EXAMPLE
from tests.conftest import bearer

INSTANCES = {"instances": [EXAMPLE]}
ROW = ["17", "61.5", "", "UA", "JFK"]
TENSOR = {"name": "row", "shape": [1, 5], "datatype": "BYTES", "data": ROW}
ASKED: dict[str, dict[str, Any]] = {
    "/invocations": INSTANCES,
    "/vertex/predict": INSTANCES,
    "/v2/models/perennial/infer": {"inputs": [TENSOR]},
}
every_protocol = pytest.mark.parametrize("path", ASKED)


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(predictions)).scalar() or 0


@every_protocol
def test_a_key_with_the_scope_predict_is_needed(
    closed: TestClient, keys: dict[str, str], path: str
) -> None:
    answered = {
        kind: closed.post(path, json=ASKED[path], headers=bearer(keys[kind])).status_code
        for kind in ("predict", "all", "read", "admin", "revoked")
    }
    assert answered == {"predict": 200, "all": 200, "read": 403, "admin": 403, "revoked": 401}
    assert closed.post(path, json=ASKED[path]).status_code == 401


@every_protocol
def test_one_idempotency_key_is_one_row(client: TestClient, engine: Engine, path: str) -> None:
    headers = {"Idempotency-Key": "mine"}
    first, second = (client.post(path, json=ASKED[path], headers=headers) for _ in range(2))
    assert first.status_code == 200
    assert first.content == second.content
    assert count(engine) == 1
    other = {**ASKED[path], "parameters": {"event_time": "2026-01-01T00:00:00Z"}}
    if path == "/invocations":
        other = {**INSTANCES, "event_time": "2026-01-01T00:00:00Z"}
    assert client.post(path, json=other, headers=headers).status_code == 422
    assert client.post(path, json=other, headers={"Idempotency-Key": ""}).status_code == 400


@every_protocol
def test_the_same_limits_hold(settings: Settings, champion: str, engine: Engine, path: str) -> None:
    strict = settings.model_copy(update={"max_body_bytes": 1000, "max_rows": 1})
    many: dict[str, Any] = {"instances": [EXAMPLE] * 2}
    if "inputs" in ASKED[path]:
        many = {"inputs": [{**TENSOR, "shape": [2, 5], "data": ROW * 2}]}
    with TestClient(create_app(strict)) as client:
        assert client.post(path, json=many).status_code == 422
        assert client.post(path, content=b" " * 1001).status_code == 413
    assert count(engine) == 0


@every_protocol
def test_refusals_have_the_shape_that_clients_read(client: TestClient, path: str) -> None:
    refused = client.post(path, content=b"{").json()
    shapes = {"/invocations": "error_code", "/vertex/predict": "detail"}
    assert shapes.get(path, "error") in refused
    assert "JSON" in json.dumps(refused)
