import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert
from starlette.testclient import TestClient

from contracts.database import write_transaction
from contracts.settings import Settings
from contracts.tables import checks, decisions, retrains
from tests.conftest import NOW


@pytest.fixture
def reports(settings: Settings) -> Path:
    settings.reports_dir.mkdir()
    (settings.reports_dir / "check.html").write_text("<h1>drift</h1>")
    (settings.reports_dir / "curve.png").write_bytes(b"\x89PNG")
    return settings.reports_dir


def add_check(engine: Engine, **values: object) -> None:
    row = {
        "check_id": "c1", "checked_at": NOW, "window_from": NOW - timedelta(days=7),
        "window_to": NOW, "model_version": "v1", "rows": 1234, "outcomes": 5,
        "drift_share": 0.25, "performance_t": None, "decision": "keep",
        "reason": "nothing <moved>", "findings": "{}", "report": "check.html",
    }  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(checks).values({**row, **values}))


def test_the_page_says_so_when_there_is_nothing(client: TestClient) -> None:
    page = client.get("/reports")
    assert page.status_code == 200
    assert "No check has run yet" in page.text


def test_the_page_lists_checks_retrains_and_files(
    client: TestClient, reports: Path, engine: Engine
) -> None:
    add_check(engine)
    add_check(engine, check_id="c2", report="gone.html")
    verdict = json.dumps({"t": 1.5, "days": 28, "detail": {"a": 1}})
    with write_transaction(engine) as connection:
        connection.execute(
            insert(retrains).values(
                retrain_id="r1",
                started_at=NOW,
                state="promoted",
                reason="drift",
                champion_version="v1",
                challenger_version="v2",
                verdict=verdict,
            )  # fmt: skip
        )
    page = client.get("/reports").text
    assert "nothing &lt;moved&gt;" in page
    assert "1,234" in page
    assert "not judged" in page
    assert "t 1.5, days 28" in page
    assert page.count('href="/reports/check.html"') == 2
    assert "gone.html" not in page
    assert 'href="/reports/curve.png"' in page


def test_the_replay_has_a_link_of_its_own(client: TestClient, reports: Path) -> None:
    assert "The replay" not in client.get("/reports").text
    (reports / "replay.html").write_text("x")
    assert "The replay" in client.get("/reports").text


def test_a_report_opens_in_a_sandbox(client: TestClient, reports: Path) -> None:
    report = client.get("/reports/check.html")
    assert report.text == "<h1>drift</h1>"
    policy = report.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts;")
    assert "default-src 'none'" in policy
    assert "allow-same-origin" not in policy
    assert report.headers["x-content-type-options"] == "nosniff"
    assert client.get("/reports/curve.png").headers["content-type"] == "image/png"


@pytest.mark.parametrize(
    "name",
    [
        "..%2fperennial.db",
        "..%5cperennial.db",
        "%2e%2e/perennial.db",
        "..",
        ".",
        ".hidden.html",
        "inside.html/../check.html%00",
        "link.html",
        "folder.html",
        "pipe.html",
        "missing.html",
        "notes.txt",
        "check.html%0a",
    ],
)
def test_nothing_else_can_be_read(
    client: TestClient, reports: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret.html").write_text("secret")
    (reports / "link.html").symlink_to(tmp_path / "secret.html")
    (reports / "folder.html").mkdir()
    os.mkfifo(reports / "pipe.html")
    (reports / ".hidden.html").write_text("secret")
    (reports / "notes.txt").write_text("secret")
    response = client.get(f"/reports/{name}")
    assert "secret" not in response.text
    assert "SQLite" not in response.text
    assert response.status_code == 404 or response.url.path in ("/", "/reports")


def test_the_home_page_names_the_version(client: TestClient, champion: str) -> None:
    assert champion in client.get("/").text


def test_checks_are_there_as_json(client: TestClient, engine: Engine) -> None:
    assert client.get("/checks").json() == {"checks": []}
    inputs = {"state": "watch", "reasons": ["the inputs changed"], "causes": ["temp"]}
    add_check(engine, findings=json.dumps({"inputs": inputs}))
    add_check(engine, check_id="c2", checked_at=NOW + timedelta(days=1))
    listed = client.get("/checks").json()["checks"]
    assert [check["check_id"] for check in listed] == ["c2", "c1"]
    assert client.get("/checks/c1").json() == listed[1]
    assert listed[1]["findings"]["inputs"] == inputs
    page = client.get("/reports").text
    assert "<td>watch</td>" in page
    assert "<td>not judged</td>" in page


def test_decisions_are_there_as_json(client: TestClient, engine: Engine) -> None:
    assert client.get("/decisions").json() == {"decisions": []}
    row = {
        "decision_id": "d1", "decided_at": NOW, "trigger": "person", "trigger_id": "t1",
        "actor": "somebody", "action": "retrain", "answer": "no", "seen": "a new season",
        "reason": "the budget is spent", "retrain_id": None,
    }  # fmt: skip
    later = {**row, "decision_id": "d2", "decided_at": NOW + timedelta(hours=1), "answer": "yes"}
    with write_transaction(engine) as connection:
        connection.execute(insert(decisions), [row, later])
    listed = client.get("/decisions").json()["decisions"]
    assert [each["answer"] for each in listed] == ["yes", "no"]
    assert listed[1] == {**row, "decided_at": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize("name", ["nobody", "%00", "%E2%80%A8", "x" * 500])
def test_an_unknown_check_is_told_so(client: TestClient, name: str) -> None:
    assert client.get(f"/checks/{name}").status_code == 404
