import gc
import itertools
import shutil
import weakref
from functools import partial

import pytest
from sqlalchemy import Engine, select
from starlette.testclient import TestClient

from contracts.database import write_transaction
from contracts.registry import roll_back
from contracts.settings import Settings
from contracts.tables import predictions
from service.app import create_app
from service.observe.metrics import Metrics
from service.versions.champion import ChampionWatcher
from service.versions.loader import CannotLoadError, Loader
from service.versions.serving import load_serving
from tests.bundles import EXAMPLE
from tests.conftest import NOW, make_champion
from tests.service.servers import Load, serving, wait_for
from tests.service.test_health import metric


def answering(client: TestClient) -> str:
    return client.post("/predict", json={"features": EXAMPLE}).json()["model_version"]


def logged_versions(engine: Engine) -> dict[str, str]:
    query = select(predictions.c.prediction_id, predictions.c.model_version)
    with engine.connect() as connection:
        return {row.prediction_id: row.model_version for row in connection.execute(query)}


def test_a_swap_under_load_fails_no_request(
    settings: Settings, registered: tuple[str, str], engine: Engine
) -> None:
    make_champion(engine, registered[0])
    with serving(settings) as port:
        load = Load(port, {"features": EXAMPLE})
        for version in (registered[1], registered[0], registered[1]):
            seen = len(load.statuses)
            wait_for(lambda seen=seen: len(load.statuses) > seen + 20)
            make_champion(engine, version)
            wait_for(lambda version=version: version in list(load.ids.values())[-4:])
        load.stop()
    assert set(load.statuses) == {200}
    assert set(load.ids.values()) == set(registered)
    assert logged_versions(engine) == load.ids


def test_a_damaged_bundle_leaves_the_old_champion_answering(
    client: TestClient, settings: Settings, registered: tuple[str, str], engine: Engine
) -> None:
    a, b = registered
    damaged = settings.bundles_dir / b / "model.onnx"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1])
    make_champion(engine, b)
    wait_for(lambda: client.get("/health/ready").json()["problem"])
    ready = client.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["model_version"] == a
    assert "model.onnx" in ready.json()["problem"]
    assert answering(client) == a
    assert metric(client, 'perennial_errors_total{kind="champion"}') == 1
    damaged.write_bytes(whole)
    wait_for(lambda: answering(client) == b)
    assert client.get("/health/ready").json()["problem"] is None


def test_at_start_an_earlier_champion_stands_in(
    settings: Settings, registered: tuple[str, str], engine: Engine
) -> None:
    a, b = registered
    for version in (a, b):
        make_champion(engine, version)
    damaged = settings.bundles_dir / b / "model.onnx"
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:-1])
    with TestClient(create_app(settings)) as client:
        assert answering(client) == a
        ready = client.get("/health/ready")
        assert ready.status_code == 200
        assert "model.onnx" in ready.json()["problem"]
        assert metric(client, "perennial_champion_stand_in") == 1
        damaged.write_bytes(whole)
        wait_for(lambda: answering(client) == b)
        assert client.get("/health/ready").json()["problem"] is None
        assert metric(client, "perennial_champion_stand_in") == 0


def test_whoever_was_rolled_back_never_stands_in(
    settings: Settings, registered: tuple[str, str], engine: Engine
) -> None:
    for version in registered:
        make_champion(engine, version)
    with write_transaction(engine) as connection:
        roll_back(connection, actor="a test", reason="it is worse", now=NOW)
    shutil.rmtree(settings.bundles_dir / registered[0])
    with TestClient(create_app(settings)) as client:
        assert client.post("/predict", json={"features": EXAMPLE}).status_code == 503


def test_swaps_and_rollbacks_under_load_fail_no_request(
    settings: Settings, registered: tuple[str, str], engine: Engine
) -> None:
    a, b = registered
    make_champion(engine, a)
    with serving(settings) as port:
        load = Load(port, {"features": EXAMPLE})
        for _ in range(10):
            make_champion(engine, b)
            wait_for(lambda: b in list(load.ids.values())[-4:])
            with write_transaction(engine) as connection:
                roll_back(connection, actor="a test", reason="to try", now=NOW)
            wait_for(lambda: a in list(load.ids.values())[-4:])
        load.stop()
    assert set(load.statuses) == {200}
    assert logged_versions(engine) == load.ids


def test_the_memory_of_an_old_version_is_given_back(
    settings: Settings, registered: tuple[str, str], champion: str, engine: Engine
) -> None:
    watcher = ChampionWatcher(
        engine, Metrics(), partial(load_serving, settings.bundles_dir, max_rows=10), 1.0
    )
    watcher.look()
    old = weakref.ref(watcher.require().predictor)
    make_champion(engine, registered[1])
    watcher.look()
    gc.collect()
    assert watcher.require().version == registered[1]
    assert old() is None


def test_a_damaged_version_is_tried_ever_more_seldom() -> None:
    tries: list[float] = []
    now = 0.0

    def load(version: str) -> None:
        tries.append(now)
        raise OSError(version)

    loader = Loader(load, lambda: now)
    for step in range(120):  # half a minute of a poll's looks
        now = step / 4
        with pytest.raises(CannotLoadError, match="OSError: v"):
            loader.get("v")
    pauses = [after - before for before, after in itertools.pairwise(tries)]
    assert pauses[:4] == [0.25, 0.5, 1.0, 2.0]
    assert set(pauses[5:]) == {5.0}
    with pytest.raises(CannotLoadError):
        loader.get("v", at_once=True)
    assert tries[-1] == now


def test_a_missing_bundle_at_start_is_told(
    settings: Settings, champion: str, engine: Engine
) -> None:
    shutil.rmtree(settings.bundles_dir / champion)
    with TestClient(create_app(settings)) as client:
        response = client.post("/predict", json={"features": EXAMPLE})
        assert response.status_code == 503
        assert "no bundle at" in response.json()["detail"]
        assert client.get("/health/ready").status_code == 503
