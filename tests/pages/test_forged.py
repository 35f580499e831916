"""Pages of other origins, in a browser that has signed in: they change nothing and read nothing.

The first is of the same site, where even SameSite=Strict sends the cookie along; the second is of
another.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from sqlalchemy import func, select

from contracts.database import make_engine
from contracts.tables import (
    errands,
    outcomes,
    predictions,
    sessions,
    stage_changes,
    traffic_changes,
)
from tests.browser import find_chromium
from tests.pages.conftest import Places
from tests.pages.places import Place
from tests.pages.watched import sign_in

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium"),
]
POSTS = ["/predict", "/outcomes", "/try", "/try/table", "/models/rollback", "/models/traffic",
         "/sign-out", "/sign-in", "/models/{version}/promote", "/outcomes/enter", "/outcomes/table",
         "/actions/promote", "/actions/roll-back", "/actions/canary", "/actions/end-canary",
         "/actions/errand", "/actions/withdraw"]  # fmt: skip
GETS = ["/", "/reports", "/models", "/monitoring", "/outcomes", "/predictions/{prediction}",
        "/sign-in"]  # fmt: skip
TYPES = ["application/json", "text/plain", "application/x-www-form-urlencoded"]
# What a fetch told the page that made it: nothing, if all is well.
_FETCH = """async ([url, method, mode, type]) => {
  const headers = method === 'POST' ? {'Content-Type': type, 'X-CSRF-Token': '0'.repeat(64)} : {}
  if (mode === 'no-cors') delete headers['X-CSRF-Token']
  const body = method === 'POST' ? '{"features": {}}' : undefined
  try {
    const answer = await fetch(url, {method, mode, headers, body, credentials: 'include'})
    return await answer.text()
  } catch { return '' }
}"""
_FORM = """([url, kind]) => {
  const form = Object.assign(document.createElement('form'), {action: url, method: 'POST'})
  form.enctype = kind
  const field = Object.assign(document.createElement('input'), {name: '{"features": {}, "x": "'})
  field.value = '"}'
  form.append(field)
  document.body.append(form)
  form.submit()
}"""
KINDS = ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"]


@contextmanager
def _stranger() -> Iterator[int]:
    """The port of somebody else's empty page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>not ours</title><body>")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _signed_in(chromium: Browser, url: str, key: str) -> Iterator[BrowserContext]:
    context = chromium.new_context()
    try:
        sign_in(context, url, key)
        yield context
    finally:
        context.close()


def _stored(place: Place) -> list[int]:
    """How much of everything that a request could add or end."""
    engine = make_engine(place.settings.database_url)
    tables = (predictions, outcomes, stage_changes, traffic_changes, sessions, errands)
    with engine.connect() as connection:
        found = [connection.execute(select(func.count()).select_from(t)).scalar_one()
                 for t in tables]  # fmt: skip
    engine.dispose()
    return found


def _answers(page: Page, url: str) -> list[int]:
    """The statuses that the service will answer this page's changes with."""
    statuses: list[int] = []
    page.on("response", lambda answer: statuses.append(answer.status)
            if answer.url.startswith(url) and answer.request.method != "GET" else None)  # fmt: skip
    return statuses


@pytest.fixture(params=["127.0.0.1", "localhost"], ids=["same site", "another site"])
def host(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_script_of_another_origin_changes_and_reads_nothing(
    host: str, places: Places, chromium: Browser
) -> None:
    place, url = places.make("typical"), places.serve("typical")
    with _stranger() as port, _signed_in(chromium, url, place.keys["owner"]) as context:
        before, page = _stored(place), context.new_page()
        statuses = _answers(page, url)
        page.goto(f"http://{host}:{port}/")
        for mode in ("no-cors", "cors"):
            for path in map(place.fill, GETS):
                assert page.evaluate(_FETCH, [url + str(path), "GET", mode, ""]) == ""
            for path in map(place.fill, POSTS):
                for kind in TYPES:
                    assert page.evaluate(_FETCH, [url + str(path), "POST", mode, kind]) == ""

        assert len(statuses) >= len(POSTS) and min(statuses) >= 400
        assert _stored(place) == before


def test_a_form_of_another_origin_is_refused(host: str, places: Places, chromium: Browser) -> None:
    place, url = places.make("typical"), places.serve("typical")
    with _stranger() as port, _signed_in(chromium, url, place.keys["owner"]) as context:
        before, page = _stored(place), context.new_page()
        statuses = _answers(page, url)
        for path in map(place.fill, POSTS):
            for kind in KINDS:
                page.goto(f"http://{host}:{port}/")
                with page.expect_navigation():
                    page.evaluate(_FORM, [url + str(path), kind])

        assert len(statuses) == len(POSTS) * len(KINDS)
        assert set(statuses) <= {401, 403}  # another site does not even get the cookie
        assert _stored(place) == before


def test_no_other_page_shows_ours_in_a_frame(host: str, places: Places, chromium: Browser) -> None:
    place, url = places.make("typical"), places.serve("typical")
    with _stranger() as port, _signed_in(chromium, url, place.keys["owner"]) as context:
        page = context.new_page()
        page.goto(f"http://{host}:{port}/")
        page.evaluate("url => { const f = document.createElement('iframe'); f.src = url;"
                      " document.body.append(f) }", f"{url}/reports")  # fmt: skip
        page.wait_for_timeout(1000)

        shown = [frame.content() for frame in page.frames[1:]]
        assert shown and not any("Perennial" in content for content in shown)
