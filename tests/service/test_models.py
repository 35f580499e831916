import json

import pytest
from sqlalchemy import Engine, select
from starlette.testclient import TestClient

from contracts.settings import Settings
from contracts.tables import audit_log
from service.app import create_app
from tests.bundles import EXAMPLE
from tests.conftest import TOKEN

ADMIN = {"Authorization": f"Bearer {TOKEN}"}


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
    client: TestClient, registered: tuple[str, str], engine: Engine
) -> None:
    a, b = registered
    answer = client.post(f"/models/{b}/promote", headers=ADMIN, json={"reason": "better"})
    assert answer.json() == {"model_version": b, "previous_version": a, "problem": None}
    assert answering(client) == b
    answer = client.post("/models/rollback", headers=ADMIN)
    assert answer.json()["model_version"] == a
    assert answering(client) == a
    with engine.connect() as connection:
        entries = list(connection.execute(select(audit_log)))
    assert [(entry.action, entry.subject) for entry in entries] == [("promote", b), ("rollback", a)]
    assert json.loads(entries[0].detail) == {"previous": a, "reason": "better"}


def test_an_unknown_version_is_404(client: TestClient) -> None:
    response = client.post("/models/nope/promote", headers=ADMIN)
    assert response.status_code == 404
    assert "no version 'nope'" in response.json()["detail"]


def test_nothing_to_roll_back_is_409(client: TestClient, champion: str, engine: Engine) -> None:
    response = client.post("/models/rollback", headers=ADMIN)
    assert response.status_code == 409
    with engine.connect() as connection:
        assert not list(connection.execute(select(audit_log)))


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic x", "Bearer \xe9"])
@pytest.mark.parametrize("path", ["/models/rollback", "/models/x/promote"])
def test_another_token_is_401(client: TestClient, path: str, header: str | None) -> None:
    headers = {"Authorization": header.encode("latin-1")} if header else {}
    response = client.post(path, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"


def test_without_a_token_set_both_are_refused(settings: Settings, champion: str) -> None:
    with TestClient(create_app(settings.model_copy(update={"admin_token": None}))) as client:
        response = client.post("/models/rollback", headers=ADMIN)
    assert response.status_code == 403
    assert "PERENNIAL_ADMIN_TOKEN" in response.json()["detail"]


@pytest.mark.parametrize("body", [{"reason": 5}, {"reason": "a\0b"}, {"why": "x"}, [1]], ids=str)
def test_a_wrong_reason_is_422(client: TestClient, body: object) -> None:
    response = client.post("/models/rollback", headers=ADMIN, json=body)
    assert response.status_code == 422
    assert response.json()["detail"][0]["problem"]
