import re

from sqlalchemy import Engine
from starlette.testclient import TestClient

from contracts.settings import Settings
from service.app import create_app
from tests.bundles import EXAMPLE
from tests.conftest import make_champion
from tests.service.servers import wait_for


def metric(client: TestClient, line: str) -> float:
    """The value of one series; 0 if it does not exist yet."""
    found = re.search(rf"^{re.escape(line)} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_without_a_champion_it_waits_and_then_starts_by_itself(
    settings: Settings, registered: tuple[str, str], engine: Engine
) -> None:
    with TestClient(create_app(settings)) as client:
        assert client.get("/health/live").status_code == 200
        assert client.get("/health/ready").status_code == 503
        response = client.post("/predict", json={"features": EXAMPLE})
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert "no version has been promoted" in response.json()["detail"]
        assert client.get("/openapi.json").status_code == 200
        assert client.get("/").status_code == 200
        make_champion(engine, registered[0])
        wait_for(lambda: client.get("/health/ready").status_code == 200)
        assert client.post("/predict", json={"features": EXAMPLE}).status_code == 200


def test_metrics_count_what_happens(client: TestClient, champion: str) -> None:
    answer = client.post("/predict", json={"instances": [EXAMPLE, EXAMPLE]}).json()
    client.post("/predict", json={"features": []})
    label = answer["prediction"][0]
    predictions = f'perennial_predictions_total{{prediction="{label}",version="{champion}"}}'
    assert metric(client, predictions) == 2
    requests = 'perennial_requests_total{method="POST",route="/predict",status="%s"}'
    assert metric(client, requests % 200) == 1
    assert metric(client, requests % 422) == 1
    assert metric(client, 'perennial_errors_total{kind="invalid"}') == 1
    assert metric(client, 'perennial_request_seconds_count{route="/predict"}') == 2
    assert metric(client, "perennial_ledger_group_rows_sum") == 2
    assert metric(client, "perennial_ledger_queue") == 0
    features = f'features="{len(EXAMPLE)}"'
    until = f'trained_until="2013-04-01T00:00:00+00:00",version="{champion}"'
    assert metric(client, f"perennial_model_info{{{features},{until}}}") == 1


def test_outcomes_are_counted(client: TestClient) -> None:
    (one,) = client.post("/predict", json={"features": EXAMPLE}).json()["prediction_id"]
    for outcome in (1, 1, 0):
        client.post("/outcomes", json={"prediction_id": one, "outcome": outcome})
    for status in ("recorded", "unchanged", "corrected"):
        assert metric(client, f'perennial_outcomes_total{{status="{status}"}}') == 1


def test_unknown_paths_do_not_become_labels(client: TestClient) -> None:
    for path in ("/nope", "/wp-admin.php", "/reports/a/b"):
        assert client.get(path).status_code == 404
    client.request("BREW", "/nope")
    text = client.get("/metrics").text
    assert "wp-admin" not in text
    assert "BREW" not in text
    assert metric(client, 'perennial_requests_total{method="other",route="other",status="404"}') > 0
