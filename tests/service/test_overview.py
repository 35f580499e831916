"""The front page says whether the model is well, and what to do where nothing is there yet."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, insert
from starlette.testclient import TestClient

from contracts.database import write_transaction
from contracts.settings import Settings
from contracts.tables import NEXT_CHECK, SCHEDULER, leases, retrains, vitals
from service.app import create_app
from service.overview.tiles import ago
from tests.bundles import EXAMPLE
from tests.conftest import NOW
from tests.service.test_reports import add_check


def note_minute(engine: Engine, at: datetime, requests: int, failed: int = 0) -> None:
    row = {"model_version": "v", "since": at, "until": at + timedelta(minutes=1), "rows": requests,
           "requests": requests, "failed": failed, "not_finite": 0, "times": "[]",
           "request_seconds": 0.1, "model_seconds": 0.1}  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(vitals).values(row))


def live(engine: Engine, until: datetime, name: str = SCHEDULER) -> None:
    row = {"name": name, "holder": "a test", "fencing_token": 1, "expires_at": until}
    with write_transaction(engine) as connection:
        connection.execute(insert(leases).values(row))


def tile(page: str, title: str) -> str:
    """The text of one tile."""
    return next(each for each in page.split('<a class="tile"')[1:] if f"<h2>{title}" in each)


def test_an_empty_database_says_what_to_do_first(settings: Settings, engine: Engine) -> None:
    with TestClient(create_app(settings)) as client:
        page = client.get("/").text

    assert "No model answers yet" in page
    assert "<code>python -m contracts.registry register build/bundle</code>" in page
    assert "no version has been promoted yet" in page


def test_a_champion_that_nobody_asked_leads_to_a_first_question(client: TestClient) -> None:
    assert "Ask for a first prediction" in client.get("/").text


def test_monitoring_that_does_not_run_is_told(client: TestClient, engine: Engine) -> None:
    client.post("/predict", json={"features": EXAMPLE})
    assert "Start monitoring" in client.get("/").text
    live(engine, datetime.now(UTC) - timedelta(minutes=5))  # it has run
    add_check(engine)
    page = client.get("/").text

    assert "Last check: monitoring does not run" in page
    assert "Somebody should look" in page


def test_all_is_well_when_it_is(client: TestClient, engine: Engine, champion: str) -> None:
    client.post("/predict", json={"features": EXAMPLE})
    now = datetime.now(UTC)
    live(engine, now + timedelta(minutes=1))
    live(engine, datetime(2030, 5, 6, 4, 0, tzinfo=UTC), NEXT_CHECK)
    add_check(engine, checked_at=now - timedelta(hours=3))
    note_minute(engine, now - timedelta(minutes=3), 120)
    note_minute(engine, now - timedelta(hours=5), 1000)
    page = client.get("/").text

    assert "The model is well" in page
    assert champion in tile(page, "Champion")
    assert "answers" in tile(page, "Champion")
    asked = tile(page, "Requests in the last hour")
    assert '<span class="big">120</span>' in asked and "1,120 in the last 24 hours" in asked
    assert "3 hours ago" in tile(page, "Last check")
    assert "the next at 06 May, 04:00 UTC" in tile(page, "Last check")
    assert 'href="/reports/c1"' in page


def test_quality_is_drawn_over_the_past_checks(client: TestClient, engine: Engine) -> None:
    for place, (loss, low, high) in enumerate([(0.4, 0.3, 0.5), (0.5, 0.45, 0.7)]):
        realised = {"loss": loss, "loss_interval": [low, high], "worse": place == 1}
        add_check(engine, check_id=f"c{place}", checked_at=NOW + timedelta(days=place),
                  findings=json.dumps({"performance": realised}))  # fmt: skip
    told = tile(client.get("/").text, "log-loss, come true")

    assert "95 % interval 0.450 to 0.700" in told and "worse than expected" in told
    assert "oldest first: 0.400, 0.500" in told
    assert re.findall(r'"between" x="\d+" y="([\d.]+)" width="6" height="([\d.]+)"', told) == [
        ("20.0", "19.0"), ("2.0", "23.5")]  # fmt: skip


def test_many_failures_are_a_reason_to_look(client: TestClient, engine: Engine) -> None:
    client.post("/predict", json={"features": EXAMPLE})
    note_minute(engine, datetime.now(UTC) - timedelta(minutes=3), 90, failed=10)
    page = client.get("/").text

    assert "10.00%" in tile(page, "Failed in the last hour")
    assert "Failed in the last hour: many" in page


def test_a_failed_retrain_is_worth_a_look(client: TestClient, engine: Engine) -> None:
    row = {"retrain_id": "r", "started_at": NOW, "state": "failed", "reason": "<b>drift</b>",
           "champion_version": "v", "verdict": "{}"}  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(retrains).values(row))
    told = tile(client.get("/").text, "Last retrain")

    assert "failed" in told
    assert "&lt;b&gt;drift" in told and "<b>" not in told


def test_the_tiles_are_renewed_without_the_page_around_them(client: TestClient) -> None:
    page, part = client.get("/").text, client.get("/?part=live").text

    assert 'hx-get="/?part=live" hx-trigger="every 5s"' in page
    assert "<html" not in part
    assert re.search(r"^<h1>", part)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "just now"), (61, "1 minute ago"), (7300, "2 hours ago"), (180_000, "2 days ago")],
)
def test_times_are_told_as_people_say_them(seconds: int, told: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == told
