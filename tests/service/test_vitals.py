"""What each version answered and failed reaches the database, and costs no answer."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select
from starlette.testclient import TestClient

from contracts.database import write_transaction
from contracts.registry import register
from contracts.settings import Settings
from contracts.tables import vitals
from contracts.vitals import SECONDS
from service.app import create_app
from service.observe.request_counts import RequestCounts
from tests.broken import fails_at_night, nan_in_the_morning
from tests.bundles import EXAMPLE, make_bundle
from tests.conftest import NOW, MadeBundle, make_champion
from tests.service.servers import wait_for
from tests.service.test_health import metric

BODY = {"features": EXAMPLE}
NIGHT = {"features": {**EXAMPLE, "hour": 3}}
COUNTED = ("requests", "rows", "failed", "not_finite")


@contextmanager
def service(settings: Settings, seconds: float = 0.02) -> Iterator[TestClient]:
    often = settings.model_copy(update={"vitals_seconds": seconds})
    with TestClient(create_app(often)) as client:
        yield client


def written(engine: Engine, version: str) -> dict[str, Any]:
    """Summed over the rows of a version."""
    with engine.connect() as connection:
        mine = vitals.c.model_version == version
        rows = connection.execute(select(vitals).where(mine)).all()
    sums: dict[str, Any] = {name: sum(getattr(row, name) for row in rows) for name in COUNTED}
    times = [json.loads(row.times) for row in rows]
    sums["times"] = [sum(column) for column in zip(*times, strict=True)]
    sums["seconds"] = sum(row.request_seconds for row in rows)
    sums["model_seconds"] = sum(row.model_seconds for row in rows)
    return sums


@pytest.fixture
def promoted(engine: Engine, settings: Settings, tmp_path: Path) -> Callable[[bytes], str]:
    """Makes a bundle of a model champion."""

    def promote_model(onnx: bytes) -> str:
        directory = tmp_path / "broken"
        make_bundle(directory, onnx=onnx)
        version = register(engine, settings.bundles_dir, directory, NOW, {})
        make_champion(engine, version)
        return version

    return promote_model


def test_each_version_has_its_own_rows(
    settings: Settings, engine: Engine, champion: str, bundle_b: MadeBundle, admin: dict[str, str]
) -> None:
    with service(settings) as client:
        for body in (BODY, BODY, {"instances": [EXAMPLE] * 3}):
            assert client.post("/predict", json=body).status_code == 200
        wait_for(lambda: written(engine, champion)["requests"] == 3)
        client.post(f"/models/{bundle_b.version}/promote", headers=admin)
        client.post("/invocations", json={"instances": [EXAMPLE]})
        wait_for(lambda: written(engine, bundle_b.version)["requests"] == 1)

    found = written(engine, champion)
    assert [found[name] for name in COUNTED] == [3, 5, 0, 0]
    assert len(found["times"]) == len(SECONDS) + 1
    assert sum(found["times"]) == 3
    assert 0 < found["model_seconds"] < found["seconds"]


def test_what_the_model_does_not_answer_is_counted_and_clients_faults_are_not(
    settings: Settings, engine: Engine, promoted: Callable[[bytes], str]
) -> None:
    version = promoted(nan_in_the_morning())
    with service(settings) as client:
        assert client.post("/predict", json=NIGHT).status_code == 422
        assert client.post("/predict", json={"features": {"hour": "x"}}).status_code == 422
        assert client.post("/predict", json=BODY).status_code == 200
        failures = f'perennial_model_failures_total{{kind="not_finite",version="{version}"}}'
        assert metric(client, failures) == 1

    found = written(engine, version)
    assert [found[name] for name in COUNTED] == [1, 1, 0, 1]


@pytest.mark.parametrize("rows", [1, 300], ids=["small", "large"])
def test_a_model_that_fails_is_counted(
    settings: Settings, engine: Engine, promoted: Callable[[bytes], str], rows: int
) -> None:
    version = promoted(fails_at_night())
    with service(settings) as client:
        response = client.post("/predict", json={"instances": [NIGHT["features"]] * rows})
        assert response.status_code == 500

    found = written(engine, version)
    assert [found[name] for name in COUNTED] == [0, 0, 1, 0]


def test_what_is_not_written_yet_is_written_at_the_end(
    settings: Settings, engine: Engine, champion: str
) -> None:
    with service(settings, seconds=3600) as client:
        client.post("/predict", json=BODY)
        assert written(engine, champion)["requests"] == 0

    assert written(engine, champion)["requests"] == 1


def test_a_database_that_does_not_take_them_delays_figures_and_no_answer(
    settings: Settings, engine: Engine, champion: str
) -> None:
    with service(settings) as client:
        with write_transaction(engine) as connection:
            connection.exec_driver_sql("ALTER TABLE vitals RENAME TO elsewhere")
        for _ in range(5):
            assert client.post("/predict", json=BODY).status_code == 200
        wait_for(lambda: metric(client, 'perennial_errors_total{kind="vitals"}') > 0)
        with write_transaction(engine) as connection:
            connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO vitals")
        wait_for(lambda: written(engine, champion)["requests"] == 5)

    assert written(engine, champion)["rows"] == 5


def test_forgotten_versions_stay_in_what_a_scrape_shows() -> None:
    counts = RequestCounts()
    for version in ("a", "b", None):
        counts.count("/predict", "POST", 200, 0.002, version)
    before = [metric.samples for metric in counts.collect()]
    counts.forget_but(["b"])

    assert [metric.samples for metric in counts.collect()] == before
    assert list(counts.by_version()) == ["b"]
