"""Which sites' pages may call from a browser: none, but ours and those that are listed."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from contracts.settings import Settings
from service.app import create_app
from tests.bundles import EXAMPLE
from tests.service.test_border import SAFE

PREFLIGHT = {"Access-Control-Request-Method": "POST",
             "Access-Control-Request-Headers": "content-type, authorization"}  # fmt: skip


@pytest.fixture
def page_settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"cors_origins": "https://a.example, https://b.example"})


@pytest.fixture
def listed(page_settings: Settings, champion: str) -> Iterator[TestClient]:
    with TestClient(create_app(page_settings)) as client:
        yield client


def test_without_listed_origins_no_page_of_another_site_may_call(client: TestClient) -> None:
    origin = {"Origin": "https://evil.example"}
    assert client.options("/predict", headers={**origin, **PREFLIGHT}).status_code == 405
    answer = client.post("/predict", json={"features": EXAMPLE}, headers=origin)
    assert (answer.status_code, "CORS" in answer.json()["detail"]) == (403, True)
    for odd in ("null", "", "https://", "testserver", "https://testserver.evil"):
        assert client.post("/outcomes", json={}, headers={"Origin": odd}).status_code == 403
    answer = client.get("/models", headers=origin)
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_our_own_pages_may_call(client: TestClient) -> None:
    for origin in ("http://testserver", "https://testserver"):  # a proxy may have the certificate
        answer = client.post("/predict", json={"features": EXAMPLE}, headers={"Origin": origin})
        assert answer.status_code == 200


def test_a_listed_origin_may_ask_and_call(listed: TestClient) -> None:
    origin = {"Origin": "https://b.example"}
    asked = listed.options("/predict", headers={**origin, **PREFLIGHT})
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == "https://b.example"
    assert "authorization" in asked.headers["access-control-allow-headers"].lower()
    assert "access-control-allow-credentials" not in asked.headers
    assert SAFE.items() <= asked.headers.items()
    for answer in (
        listed.post("/predict", json={"features": EXAMPLE}, headers=origin),
        listed.get("/models", headers=origin),
        listed.post("/predict", json={}, headers=origin),
    ):
        assert answer.headers["access-control-allow-origin"] == "https://b.example"
        assert "Origin" in answer.headers["vary"]
        assert "x-request-id" in answer.headers["access-control-expose-headers"].lower()


def test_an_origin_that_is_not_listed_may_not(listed: TestClient) -> None:
    for evil in ("https://evil.example", "http://a.example", "https://a.example.evil"):
        asked = listed.options("/predict", headers={"Origin": evil, **PREFLIGHT})
        assert asked.status_code == 400
        assert "access-control-allow-origin" not in asked.headers
        called = listed.post("/predict", json={"features": EXAMPLE}, headers={"Origin": evil})
        assert called.status_code == 403


def test_an_unlisted_method_is_not_offered(listed: TestClient) -> None:
    headers = {"Origin": "https://a.example", "Access-Control-Request-Method": "DELETE"}
    assert listed.options("/models", headers=headers).status_code == 400
