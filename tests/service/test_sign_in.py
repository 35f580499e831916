"""A person signs in with a key, once; what the browser holds then can do no more than the key."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select, update
from starlette.testclient import TestClient

from contracts.audit import verify
from contracts.database import write_transaction
from contracts.tables import audit_log, sessions
from service.access.key_store import prefix_of, revoke_key
from service.access.sessions import TRUSTED_SECONDS
from tests.bundles import EXAMPLE
from tests.service.servers import wait_for

PAGE = {"Accept": "text/html"}
BODY = {"features": EXAMPLE}


def sign_in(client: TestClient, key: str, place: str = "/reports") -> None:
    answer = client.post(
        "/sign-in", data={"key": key, "next": place}, headers=PAGE, follow_redirects=False
    )
    assert (answer.status_code, answer.headers["location"]) == (303, place)


def csrf(client: TestClient) -> dict[str, str]:
    """What our pages send with each change."""
    found = re.search(r'"X-CSRF-Token": "([0-9a-f]{64})"', client.get("/reports").text)
    assert found is not None
    return {"X-CSRF-Token": found[1]}


class Opener:
    """Makes browsers of their own, signed in with a key or with none, at one service."""

    def __init__(self, served: TestClient) -> None:
        self._served = served

    def __call__(self, key: str | None) -> TestClient:
        browser = TestClient(self._served.app, base_url="https://testserver")
        browser.portal = self._served.portal  # one loop, as the service has
        if key is not None:
            sign_in(browser, key)
        return browser


@pytest.fixture
def client_of(closed: TestClient) -> Opener:
    return Opener(closed)


def test_a_stranger_s_browser_is_led_to_the_form_and_back(
    client_of: Opener, keys: dict[str, str]
) -> None:
    browser = client_of(None)
    asked = browser.get("/reports", headers=PAGE)
    assert asked.url.path == "/sign-in"
    assert 'name="next" value="/reports"' in asked.text

    sign_in(browser, f" {keys['read']} ")
    found = browser.get("/reports", headers=PAGE)
    assert (found.status_code, found.url.path) == (200, "/reports")
    assert "Sign out" in found.text


def test_a_stranger_s_body_is_small_and_has_few_fields(closed: TestClient) -> None:
    assert closed.post("/sign-in", data={f"f{i}": "x" for i in range(50)}).status_code == 403
    assert closed.post("/sign-in", data={"key": "x" * 70_000}).status_code == 413


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(
    closed: TestClient, keys: dict[str, str]
) -> None:
    answer = closed.post("/sign-in", data={"key": keys["read"]}, follow_redirects=False)
    told = answer.headers["set-cookie"]

    assert {"HttpOnly", "SameSite=strict", "Secure", "Path=/"} <= set(told.split("; "))
    assert keys["read"] not in told


@pytest.mark.parametrize("kind", ["wrong", "expired", "revoked"])
def test_what_is_no_key_opens_no_session(
    closed: TestClient, keys: dict[str, str], engine: Engine, kind: str
) -> None:
    answer = closed.post("/sign-in", data={"key": keys[kind]})

    assert answer.status_code == 403
    assert 'aria-invalid="true"' in answer.text
    assert keys[kind] not in answer.text
    assert "set-cookie" not in answer.headers
    with engine.connect() as connection:
        assert connection.execute(select(sessions)).all() == []


@pytest.mark.parametrize(
    "place", ["//evil.example", "https://evil.example", "/\\evil.example", "evil", ""]
)
def test_nobody_is_led_to_another_site(
    closed: TestClient, keys: dict[str, str], place: str
) -> None:
    data = {"key": keys["read"], "next": place}
    answer = closed.post("/sign-in", data=data, follow_redirects=False)

    assert answer.headers["location"] == "/"


def test_a_session_can_do_what_its_key_can_and_no_more(
    client_of: Opener, keys: dict[str, str]
) -> None:
    reader = client_of(keys["read"])
    assert reader.get("/models").status_code == 200
    token = csrf(reader)
    assert reader.post("/predict", json=BODY, headers=token).status_code == 403
    assert reader.post("/models/rollback", json={}, headers=token).status_code == 403

    allowed = client_of(keys["all"])
    assert allowed.post("/predict", json=BODY, headers=csrf(allowed)).status_code == 200


def test_a_change_without_the_pages_token_is_refused_and_noted(
    client_of: Opener, keys: dict[str, str], engine: Engine
) -> None:
    browser = client_of(keys["all"])
    for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": 64 * "0"}):
        for path in ("/predict", "/outcomes", "/models/rollback", "/sign-out"):
            assert browser.post(path, json=BODY, headers=headers).status_code == 403
    other = csrf(client_of(keys["all"]))  # of another session of the same key
    assert browser.post("/predict", json=BODY, headers=other).status_code == 403

    def noted() -> bool:
        with engine.connect() as connection:
            details = connection.execute(select(audit_log.c.detail)).scalars().all()
        return any("no token of our pages" in detail for detail in details)

    wait_for(noted)


def test_a_form_of_another_site_is_refused(client_of: Opener, keys: dict[str, str]) -> None:
    browser = client_of(keys["all"])
    headers = {**csrf(browser), "Origin": "https://evil.example"}

    assert browser.post("/predict", json=BODY, headers=headers).status_code == 403
    answer = browser.post(
        "/sign-in", data={"key": keys["all"]}, headers={"Origin": "https://evil.example"}
    )
    assert answer.status_code == 403


def test_who_signs_out_is_out(client_of: Opener, keys: dict[str, str], engine: Engine) -> None:
    browser = client_of(keys["read"])
    cookies = dict(browser.cookies)
    answer = browser.post("/sign-out", headers=csrf(browser))
    assert (answer.status_code, answer.headers["hx-redirect"]) == (204, "/sign-in")
    assert not browser.cookies

    browser.cookies.update(cookies)  # a thief has kept it
    assert browser.get("/models").status_code == 401
    with engine.connect() as connection:
        acts = connection.execute(select(audit_log.c.action)).scalars().all()
        assert {"signed in", "signed out"} <= set(acts)
        assert verify(connection) == []


def test_a_session_ends_with_its_key(
    client_of: Opener, keys: dict[str, str], engine: Engine
) -> None:
    browser = client_of(keys["read"])
    assert browser.get("/models").status_code == 200
    revoke_key(engine, prefix_of(keys["read"]), actor="a test", now=datetime.now(UTC))

    wait_for(lambda: browser.get("/models").status_code == 401)


def test_a_session_ends_by_itself(client_of: Opener, keys: dict[str, str], engine: Engine) -> None:
    browser = client_of(keys["read"])
    assert browser.get("/models").status_code == 200
    with write_transaction(engine) as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(update(sessions).values(expires_at=past))

    wait_for(lambda: browser.get("/models").status_code == 401, TRUSTED_SECONDS + 5)


def test_what_is_stored_cannot_be_used_as_a_cookie(
    client_of: Opener, keys: dict[str, str], engine: Engine
) -> None:
    client_of(keys["read"])
    stranger = client_of(None)
    with engine.connect() as connection:
        digest = connection.execute(select(sessions.c.digest)).scalar_one()
    for value in (digest, f"session_{digest[:43]}", "session_", "x" * 9000):
        stranger.cookies.set("perennial_session", value)
        assert stranger.get("/models").status_code in (400, 401)
        stranger.cookies.clear()


def test_assets_are_for_everybody_and_nothing_else_is_an_asset(closed: TestClient) -> None:
    page = closed.get("/sign-in").text
    for asset in re.findall(r'(?:href|src)="(/assets/[^"]+)"', page):
        answer = closed.get(asset)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
    assert closed.get("/assets/perennial.css").headers["cache-control"] == "no-cache"
    for name in ("nothing.css", "..%2fapp.py", "%2e%2e", ".hidden", "perennial.css%00.js"):
        assert closed.get(f"/assets/{name}").status_code == 404


def test_a_page_lets_nothing_run_or_load_that_is_not_ours(closed: TestClient) -> None:
    answer = closed.get("/sign-in")
    policy = answer.headers["content-security-policy"]

    assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|style=|<script(?! defer src)|\son[a-z]+=", answer.text)
