"""Refused requests in the audit log: one entry each, and a flood in a few."""

import json
import subprocess
import sys
import time
from typing import Any

from sqlalchemy import Engine, Row, select
from starlette.testclient import TestClient

from contracts.database import write_transaction
from contracts.settings import Settings
from contracts.tables import audit_log
from service.access.key_store import prefix_of
from service.access.refusals import MAX_PER_SECOND
from service.app import create_app
from tests.conftest import bearer
from tests.service.servers import environment, wait_for


def refusals(engine: Engine) -> list[Row[Any]]:
    query = select(audit_log).where(audit_log.c.action == "refused").order_by("entry_id")
    with engine.connect() as connection:
        return list(connection.execute(query))


def test_each_refusal_has_exactly_one_entry(
    closed_settings: Settings, champion: str, keys: dict[str, str], engine: Engine
) -> None:
    with TestClient(create_app(closed_settings)) as client:
        client.get("/models")
        client.post("/models/rollback", headers=bearer(keys["read"]))
        client.get("/models", headers={**bearer(keys["read"]), "Host": "evil.example"})
        client.get("/models", headers=bearer(keys["read"]))
        client.get("/health/live")
        client.get("/x%1b%5b31m")
        client.get("/" + "é" * 500)
    found = [(r.actor, r.subject, json.loads(r.detail)["reason"]) for r in refusals(engine)]
    assert found[:4] == [
        ("nobody", "GET /models", "no valid key"),
        (prefix_of(keys["read"]), "POST /models/rollback", "lacks the scope admin"),
        ("nobody", "GET /models", "bad Host"),
        ("nobody", "GET /x\\x1b[31m", "odd path"),
    ]
    assert found[4][1].isascii()
    assert len(found) == 5


def test_a_flood_fills_neither_memory_nor_disk(
    closed_settings: Settings, champion: str, engine: Engine
) -> None:
    sent = 1500
    with TestClient(create_app(closed_settings)) as client:
        for i in range(sent):
            client.get(f"/models/{i}")
    rows = refusals(engine)
    rest = [row for row in rows if "more requests" in row.subject]
    counted = sum(json.loads(row.detail)["no valid key"] for row in rest)
    assert len(rows) - len(rest) + counted == sent
    assert rest
    assert len(rows) < sent
    assert len(rows) - len(rest) >= MAX_PER_SECOND


def test_what_cannot_be_written_now_is_written_later(
    closed_settings: Settings, champion: str, engine: Engine
) -> None:
    def rename(old: str, new: str) -> None:
        with write_transaction(engine) as connection:
            connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")

    with TestClient(create_app(closed_settings)) as client:
        rename("audit_head", "elsewhere")
        client.get("/models")
        time.sleep(0.6)  # long enough for a first attempt
        rename("elsewhere", "audit_head")
        client.get("/reports")
        wait_for(lambda: len(refusals(engine)) == 2)
    assert [row.subject for row in refusals(engine)] == ["GET /models", "GET /reports"]


def _audit(settings: Settings, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "service.audit", *arguments], env=environment(settings),
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip


def test_the_log_is_listed_and_proven_from_a_terminal(
    settings: Settings, keys: dict[str, str], engine: Engine
) -> None:
    listed = _audit(settings, "list", "--last", "2").stdout
    assert listed.count("\n") == 2
    assert "key created" in listed
    whole = _audit(settings, "verify")
    assert (whole.returncode, whole.stderr) == (0, "")
    assert whole.stdout.startswith("8 entries, last hash ")
    with write_transaction(engine) as connection:
        connection.exec_driver_sql("UPDATE audit_log SET actor = 'me' WHERE entry_id = 3")
    damaged = _audit(settings, "verify")
    assert damaged.returncode == 1
    assert damaged.stderr == "the audit log is damaged: entry 3 was changed\n"
