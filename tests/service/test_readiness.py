from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from service.observe.readiness import assess
from service.parts import Parts


@pytest.fixture
def parts(client: TestClient) -> Parts:
    """Those of a running service with a champion."""
    found: Parts = client.get("/health/ready") and client.app._app.state.parts  # type: ignore
    return found


def with_ledger(parts: Parts, **told: Any) -> Parts:
    """The same with a ledger that says of itself what a test wants."""
    health = {**parts.ledger.health(), **told}
    return replace(parts, ledger=SimpleNamespace(health=lambda: health))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "status", "problem"),
    [
        ({}, "ready", ""),
        ({"mode": "spooling", "waiting_rows": 12}, "degraded", "12 rows wait"),
        ({"spool_fill": 0.83}, "degraded", "83%"),
        ({"mode": "spooling", "spool_fill": 1.0}, "not ready", "spool is full"),
        ({"quarantined": 2}, "degraded", "2 rows are in"),
        ({"balanced": False}, "degraded", "answered rows are missing"),
    ],
)
def test_what_the_ledger_says_decides(
    parts: Parts, told: dict[str, Any], status: str, problem: str
) -> None:
    content = assess(with_ledger(parts, **told))
    assert content["status"] == status
    assert problem in (content["problem"] or "")
    assert content["ledger"].items() >= told.items()


def test_a_service_with_all_it_needs_is_ready(client: TestClient, champion: str) -> None:
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    told = answer.json()
    assert told["status"] == "ready"
    assert told["model_version"] == champion
    assert told["problems"] == []
    assert told["ledger"]["durability"] == "full"
    assert told["database_reachable"] is True
