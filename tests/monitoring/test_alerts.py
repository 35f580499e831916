"""Alerts reach a real webhook once for each thing that began, changed or ended."""

import json
import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pandas as pd
import pytest

from contracts.settings import Settings
from monitoring.alerts import Alerts, AlertUrlError, News, news_of_check, news_of_retrain
from monitoring.check import run_check
from monitoring.recorded import last_facts
from tests.monitoring.conftest import FEBRUARY, World, blank_page
from tests.pipeline.conftest import params  # noqa: F401  # a fixture

QUIET = {"alarm": False, "reason": "no drift", "causes": []}
FAULT = {"alarm": True, "reason": "distance: a changed unit?", "causes": ["distance"]}
OTHER = {"alarm": True, "reason": "carrier: new codes", "causes": ["carrier"]}


class Webhook(HTTPServer):
    """Keeps what it is sent; answers `status`."""

    def __init__(self) -> None:
        self.got: list[dict[str, Any]] = []
        self.status = 200
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    server = Webhook()
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("before", "now", "title"),
    [
        (None, QUIET, None),
        (QUIET, QUIET, None),
        (None, FAULT, "alarm"),
        (QUIET, FAULT, "alarm"),
        (FAULT, FAULT, None),
        (FAULT, {**FAULT, "reason": "in other words"}, None),
        (FAULT, OTHER, "alarm, by other causes"),
        (FAULT, QUIET, "the alarm is over"),
    ],
)
def test_only_what_is_new_is_told(before: Any, now: Any, title: str | None) -> None:
    news = news_of_check(before, now)
    assert (news.title if news else None) == title
    assert news is None or news.text == now["reason"]


@pytest.mark.parametrize(
    ("state", "kind"), [("promoted", "success"), ("rejected", "info"), ("failed", "failure")]
)
def test_the_end_of_a_retrain_is_told(state: str, kind: str) -> None:
    news = news_of_retrain(state, "abc", "because")
    assert (news.kind, news.text) == (kind, "because")
    assert state in news.title
    assert "abc" in news.title


def test_news_reach_every_address(webhook: Webhook) -> None:
    Alerts([webhook.url, webhook.url + "two"]).send(News("warning", "alarm", "distance"))
    assert len(webhook.got) == 2
    assert webhook.got[0]["title"] == "Perennial: alarm"
    assert (webhook.got[0]["message"], webhook.got[0]["type"]) == ("distance", "warning")


def test_nothing_new_and_nowhere_to_tell_it_send_nothing(webhook: Webhook) -> None:
    Alerts([webhook.url]).send(None)
    Alerts([]).send(News("info", "x", "y"))
    assert webhook.got == []


def test_what_is_not_delivered_is_logged_and_stops_nothing(
    webhook: Webhook, caplog: pytest.LogCaptureFixture
) -> None:
    webhook.status = 500
    with caplog.at_level(logging.ERROR, "monitoring.alerts"):
        Alerts([webhook.url, "json://127.0.0.1:1/"]).send(News("info", "x", "y"))
    assert "not delivered everywhere: x" in caplog.text


def test_a_wrong_address_is_refused_without_its_secret() -> None:
    with pytest.raises(AlertUrlError, match="'telepathy'") as refused:
        Alerts(["telepathy://user:hunter2@brain"])
    assert "hunter2" not in str(refused.value)


def test_a_scheduled_check_that_fails_is_told(
    world: World, tmp_path: Path, webhook: Webhook
) -> None:
    from monitoring.jobs import check_and_retrain
    from monitoring.scheduler import _guarded

    settings = Settings(
        _env_file=None, database_url=str(world.engine.url), params_file=tmp_path / "none.yaml"
    )
    _guarded("check", check_and_retrain, world.engine, settings, Event(), Alerts([webhook.url]))
    assert webhook.got[0]["title"] == "Perennial: a check failed"


def test_a_recorded_check_is_what_the_next_compares_with(
    world: World,
    february: pd.DataFrame,
    params: Any,  # noqa: F811
) -> None:
    world.answer(february.assign(distance=february.distance * 1.609))
    with world.engine.connect() as connection:
        assert last_facts(connection) is None
    week = FEBRUARY + pd.Timedelta(days=7)
    places = world.engine, world.bundles, world.reports
    check = run_check(*places, params.monitoring, week, draw=blank_page)
    assert check.decision.alarm
    with world.engine.connect() as connection:
        found = last_facts(connection)
    assert found is not None
    assert news_of_check(found, check.facts) is None
    assert found["causes"][0] == "distance"
