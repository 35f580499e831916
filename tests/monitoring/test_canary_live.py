"""A real service gives a canary its share, and follows what the monitor makes of it."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from starlette.testclient import TestClient

from contracts.monitoring_params import Monitoring
from contracts.settings import Settings
from monitoring.canary import Finding, run_canary
from monitoring.leases import utc_now
from service.app import create_app
from tests.conftest import OPEN
from tests.monitoring.canaries import TRIED, alike, begin, monitoring
from tests.monitoring.conftest import World
from tests.monitoring.test_probation import clueless
from tests.service.servers import wait_for

__all__ = ["alike", "clueless", "monitoring"]

REQUESTS = 400


@pytest.fixture
def client(world: World, tmp_path: Path) -> Iterator[TestClient]:
    settings = Settings(
        _env_file=None,
        database_url=str(world.engine.url),
        bundles_dir=world.bundles,
        spool_dir=tmp_path / "spool",
        champion_poll_seconds=0.02,
        **OPEN,
    )
    with TestClient(create_app(settings)) as client:
        yield client


def _ask(client: TestClient, world: World, flight: dict[str, Any], at: datetime) -> dict[str, Any]:
    features = {n: None if pd.isna(flight[n]) else flight[n] for n in world.bundle.schema.names}
    body = {"features": features, "event_time": at.isoformat()}
    response = client.post("/predict", content=json.dumps(body, default=str))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def _live(client: TestClient, world: World, flights: pd.DataFrame) -> Counter[str]:
    """Flights of two days are asked for, and their outcomes told; gives who answered."""
    known = flights[flights.late.notna()].head(REQUESTS).to_dict("records")
    start, answers = utc_now(), []
    for number, flight in enumerate(known):
        at = start + timedelta(hours=48 * number / REQUESTS)
        answers.append(_ask(client, world, flight, at))
    told = [
        {"prediction_id": answer["prediction_id"][0], "outcome": int(flight["late"])}
        for answer, flight in zip(answers, known, strict=True)
    ]
    assert client.post("/outcomes", json={"outcomes": told}).status_code == 200
    return Counter(answer["model_version"] for answer in answers)


def _begin(client: TestClient, world: World, source: Path) -> str:
    """It has run for a minute, so every worker follows its rule."""
    version = begin(world, source, utc_now() - timedelta(minutes=1), TRIED)
    wait_for(lambda: version in client.get("/metrics").text)
    return version


def _later(world: World, monitoring: Monitoring) -> Finding:
    now = utc_now() + timedelta(hours=60)
    found = run_canary(world.engine, world.bundles, monitoring, now)
    assert found is not None
    return found


def _who_answers(client: TestClient, world: World, flights: pd.DataFrame) -> set[str]:
    flight = flights.iloc[0].to_dict()
    return {_ask(client, world, flight, utc_now())["model_version"] for _ in range(20)}


def test_a_share_of_real_requests_tries_it_and_then_all_get_it(
    client: TestClient, world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = _begin(client, world, alike)
    answered = _live(client, world, february)
    assert abs(answered[version] - TRIED.share * REQUESTS) < 50
    assert answered[version] + answered[world.bundle.version] == REQUESTS
    found = _later(world, monitoring)

    assert found.state == "promoted", found.reason
    assert f"it has answered {answered[version]} rows" in found.seen[0]
    assert f"0 of {answered[version]} answers are not what its bundle gives" in found.seen[0]
    wait_for(lambda: _who_answers(client, world, february) == {version})


def test_one_that_harms_real_requests_is_ended_and_answers_no_more(
    client: TestClient, world: World, clueless: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = _begin(client, world, clueless)
    answered = _live(client, world, february)
    assert answered[version] > 100
    found = _later(world, monitoring)

    assert found.state == "rejected", found.reason
    assert "costs" in found.reason
    wait_for(lambda: _who_answers(client, world, february) == {world.bundle.version})


def test_one_that_the_service_cannot_load_is_ended_and_told(
    client: TestClient, world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    """Its files are there for the monitor, and damaged where the service reads them."""
    version = begin(world, alike, utc_now() - timedelta(minutes=1), TRIED)
    elsewhere = world.bundles.with_name("whole")
    world.bundles.rename(elsewhere)
    world.bundles.mkdir()
    try:
        assert _live(client, world, february) == Counter({world.bundle.version: REQUESTS})
    finally:
        world.bundles.rmdir()
        elsewhere.rename(world.bundles)
    found = _later(world, monitoring)

    assert found.state == "rejected"
    assert "no worker can load it (/health/ready says why)" in found.reason
    assert found.version == version
