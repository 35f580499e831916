"""Vertex AI's contract for a custom container."""

from collections.abc import Iterator

import pytest
from pydantic import ValidationError
from starlette.testclient import TestClient

from contracts.platforms import platform_settings
from contracts.settings import Settings
from service.app import create_app
from tests.bundles import EXAMPLE

PREDICT = "/v1/endpoints/1/deployedModels/2:predict"
HEALTH = "/v1/endpoints/1/deployedModels/2"
VARIABLES = {"AIP_HTTP_PORT": "8123", "AIP_PREDICT_ROUTE": PREDICT, "AIP_HEALTH_ROUTE": HEALTH}


@pytest.fixture
def vertex(settings: Settings, champion: str) -> Iterator[TestClient]:
    given = {"predict_route": PREDICT, "health_route": HEALTH}
    with TestClient(create_app(settings.model_copy(update=given))) as client:
        yield client


def test_the_platform_paths_are_answered_as_our_own(vertex: TestClient, champion: str) -> None:
    assert vertex.get(HEALTH).status_code == 200
    body = {"instances": [EXAMPLE, list(EXAMPLE.values())], "parameters": None}

    for path in (PREDICT, "/vertex/predict"):
        first, second = vertex.post(path, json=body).json()["predictions"]
        assert list(first) == ["prediction", "probability", "prediction_id", "model_version"]
        assert first["probability"] == second["probability"]
        assert first["model_version"] == champion


def test_parameters_may_say_when_the_question_arose(vertex: TestClient) -> None:
    body = {"instances": [EXAMPLE], "parameters": {"event_time": "2026-01-01T00:00:00Z"}}
    (answer,) = vertex.post(PREDICT, json=body).json()["predictions"]
    row = vertex.get(f"/predictions/{answer['prediction_id']}").json()
    assert row["event_time"].startswith("2026-01-01T00:00:00")


@pytest.mark.parametrize(
    "body",
    [
        {"features": EXAMPLE},
        {"instances": [EXAMPLE], "params": {}},
        {"instances": [EXAMPLE], "parameters": {"confidence": 1}},
    ],
    ids=str,
)
def test_other_forms_are_refused(vertex: TestClient, body: dict) -> None:
    assert vertex.post(PREDICT, json=body).status_code == 422


def test_its_variables_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PERENNIAL_ACCESS", "platform")

    settings = Settings(_env_file=None)

    assert (settings.host, settings.port, settings.platform) == ("0.0.0.0", 8123, "vertex")
    assert (settings.predict_route, settings.health_route) == (PREDICT, HEALTH)
    monkeypatch.setenv("PERENNIAL_PORT", "8124")
    assert Settings(_env_file=None).port == 8124


def test_sagemaker_says_the_port_and_a_notebook_opens_nothing() -> None:
    assert platform_settings({"SAGEMAKER_BIND_TO_PORT": "8080"})["port"] == "8080"
    assert platform_settings({"SAGEMAKER_SPACE_NAME": "a notebook"}) == {"platform": "sagemaker"}
    assert platform_settings({"HOME": "/"}) == {}


def test_access_is_left_to_a_platform_only_on_one() -> None:
    with pytest.raises(ValidationError, match="neither runs this"):
        Settings(_env_file=None, access="platform")


def test_a_platform_may_predict_without_a_key_and_nothing_else(
    settings: Settings, champion: str
) -> None:
    hosted = settings.model_copy(update={"access": "platform", "predict_route": PREDICT})
    body = {"instances": [EXAMPLE]}
    with TestClient(create_app(hosted)) as client:
        for path in (PREDICT, "/invocations", "/predict"):
            assert client.post(path, json=body).status_code == 200
        assert client.get("/ping").status_code == 200
        for path in ("/models", "/metrics", "/openapi.json", "/predictions/1"):
            assert client.get(path).status_code == 401
        for path in ("/outcomes", "/models/rollback"):
            assert client.post(path, json={}).status_code == 401
