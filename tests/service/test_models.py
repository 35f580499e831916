import json
from typing import Any

import pytest
from sqlalchemy import Engine, Row, select
from starlette.testclient import TestClient

from contracts.tables import audit_log
from service.access.key_store import prefix_of
from tests.bundles import EXAMPLE
from tests.conftest import bearer


def audited(engine: Engine) -> list[Row[Any]]:
    with engine.connect() as connection:
        return list(connection.execute(select(audit_log).order_by(audit_log.c.entry_id)))


def answering(client: TestClient) -> str:
    return client.post("/predict", json={"features": EXAMPLE}).json()["model_version"]


def test_models_lists_versions_and_marks_the_champion(
    client: TestClient, registered: tuple[str, str]
) -> None:
    models = client.get("/models").json()
    assert models["champion"] == registered[0]
    champions = {one["version"]: one["champion"] for one in models["versions"]}
    assert champions == {registered[0]: True, registered[1]: False}
    assert models["versions"][0]["metrics"]["log_loss"] == 0.5
    assert models["versions"][0]["trained_until"] == "2013-04-01T00:00:00Z"
    assert models["stage_changes"][0]["reason"] == "to try"


def test_promote_and_roll_back_swap_at_once(
    client: TestClient, registered: tuple[str, str], engine: Engine, admin: dict[str, str]
) -> None:
    a, b = registered
    before = len(audited(engine))
    answer = client.post(f"/models/{b}/promote", headers=admin, json={"reason": "better"})
    assert answer.json() == {"model_version": b, "previous_version": a, "problem": None}
    assert answering(client) == b
    answer = client.post("/models/rollback", headers=admin)
    assert answer.json()["model_version"] == a
    assert answering(client) == a
    entries = audited(engine)[before:]
    assert [(entry.action, entry.subject) for entry in entries] == [("promote", b), ("rollback", a)]
    assert json.loads(entries[0].detail) == {"previous": a, "reason": "better"}
    assert {entry.actor for entry in entries} == {prefix_of(admin["Authorization"][7:])}


def test_an_unknown_version_is_404(client: TestClient, admin: dict[str, str]) -> None:
    response = client.post("/models/nope/promote", headers=admin)
    assert response.status_code == 404
    assert "no version 'nope'" in response.json()["detail"]


def test_nothing_to_roll_back_is_409(
    client: TestClient, engine: Engine, admin: dict[str, str]
) -> None:
    before = len(audited(engine))
    response = client.post("/models/rollback", headers=admin)
    assert response.status_code == 409
    assert len(audited(engine)) == before


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic x", "Bearer \xe9"])
@pytest.mark.parametrize("path", ["/models/rollback", "/models/x/promote"])
def test_another_token_is_401(client: TestClient, path: str, header: str | None) -> None:
    headers = {"Authorization": header.encode("latin-1")} if header else {}
    response = client.post(path, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


def test_a_key_without_the_scope_is_403(closed: TestClient, keys: dict[str, str]) -> None:
    response = closed.post("/models/rollback", headers=bearer(keys["read"]))
    assert response.status_code == 403
    assert response.json()["detail"] == "this needs a key with the scope admin"


@pytest.mark.parametrize("body", [{"reason": 5}, {"reason": "a\0b"}, {"why": "x"}, [1]], ids=str)
def test_a_wrong_reason_is_422(client: TestClient, body: object, admin: dict[str, str]) -> None:
    response = client.post("/models/rollback", headers=admin, json=body)
    assert response.status_code == 422
    assert response.json()["detail"][0]["problem"]
