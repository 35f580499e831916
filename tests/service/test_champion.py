import shutil

from sqlalchemy import Engine, select
from starlette.testclient import TestClient

from contracts.settings import Settings
from contracts.tables import predictions
from service.app import create_app
from tests.bundles import EXAMPLE
from tests.conftest import make_champion
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


def test_a_missing_bundle_at_start_is_told(
    settings: Settings, champion: str, engine: Engine
) -> None:
    shutil.rmtree(settings.bundles_dir / champion)
    with TestClient(create_app(settings)) as client:
        response = client.post("/predict", json={"features": EXAMPLE})
        assert response.status_code == 503
        assert "no bundle at" in response.json()["detail"]
        assert client.get("/health/ready").status_code == 503
