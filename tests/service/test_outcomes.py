import pytest
from sqlalchemy import Engine, func, select
from starlette.testclient import TestClient

from contracts.settings import Settings
from contracts.tables import outcomes
from service.app import create_app
from tests.bundles import EXAMPLE

UNKNOWN = "01a1fd10-fe88-726d-baae-03e524146a94"


@pytest.fixture
def ids(client: TestClient) -> list[str]:
    return client.post("/predict", json={"instances": [EXAMPLE] * 3}).json()["prediction_id"]


def send(client: TestClient, *pairs: tuple[str, object]) -> tuple[int, list[dict]]:
    rows = [{"prediction_id": one, "outcome": value} for one, value in pairs]
    response = client.post("/outcomes", json={"outcomes": rows})
    return response.status_code, response.json()["results"]


def statuses(client: TestClient, *pairs: tuple[str, object]) -> list[str]:
    return [result["status"] for result in send(client, *pairs)[1]]


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(outcomes)).scalar()


def test_repeating_an_outcome_changes_nothing(
    client: TestClient, ids: list[str], engine: Engine
) -> None:
    assert statuses(client, (ids[0], 1)) == ["recorded"]
    assert statuses(client, (ids[0], 1)) == ["unchanged"]
    assert count(engine) == 1


def test_a_correction_is_kept_beside_what_it_corrects(client: TestClient, ids: list[str]) -> None:
    send(client, (ids[0], 1))
    assert statuses(client, (ids[0], 0)) == ["corrected"]
    assert statuses(client, (ids[0], 1)) == ["corrected"]
    row = client.get(f"/predictions/{ids[0]}").json()
    assert row["outcome"] == 1
    assert [one["outcome"] for one in row["outcomes"]] == [1, 0, 1]


def test_one_id_twice_in_a_request_is_taken_in_order(
    client: TestClient, ids: list[str], engine: Engine
) -> None:
    found = statuses(client, (ids[0], 1), (ids[0], 1), (ids[0], 0))
    assert found == ["recorded", "unchanged", "corrected"]
    assert count(engine) == 2


def test_unknown_ids_are_404_row_by_row(client: TestClient, ids: list[str]) -> None:
    status, results = send(client, (ids[0], 1), (UNKNOWN, 1), ("\0", 1))
    assert status == 207
    assert [result["code"] for result in results] == [200, 404, 404]
    assert results[1]["problem"] == "no prediction has this id"
    assert send(client, (UNKNOWN, 1))[0] == 404
    assert send(client, (ids[1], 1))[0] == 200


def test_a_single_outcome_needs_no_list(client: TestClient, ids: list[str]) -> None:
    body = {"prediction_id": ids[0], "outcome": 1, "observed_at": "2013-04-01T12:00:00+02:00"}
    assert client.post("/outcomes", json=body).json()["results"][0]["status"] == "recorded"
    row = client.get(f"/predictions/{ids[0]}").json()
    assert row["outcomes"][0]["observed_at"] == "2013-04-01T10:00:00Z"


@pytest.mark.parametrize(
    ("change", "field", "problem", "allowed"),
    [
        ({"outcome": 2}, "outcome", "not a class", "one of 0, 1"),
        ({"outcome": True}, "outcome", "not a class", "one of 0, 1"),
        ({"outcome": "1"}, "outcome", "not a class", "one of 0, 1"),
        ({"outcome": None}, "outcome", "not a class", "one of 0, 1"),
        ({"prediction_id": 7}, "prediction_id", "valid string", "/predict gave"),
        ({"observed_at": "2013-04-01"}, "observed_at", "no time zone", "ISO 8601"),
        ({"observed_at": 5}, "observed_at", "not text", "ISO 8601"),
        ({"extra": 5}, "extra", "not permitted", "observed_at"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_outcomes_are_named_and_nothing_is_recorded(
    client: TestClient,
    ids: list[str],
    engine: Engine,
    change: dict,
    field: str,
    problem: str,
    allowed: str,
) -> None:
    good = {"prediction_id": ids[0], "outcome": 1}
    body = {"outcomes": [good, {**good, **change}]}
    response = client.post("/outcomes", json=body)
    assert response.status_code == 422
    (found,) = response.json()["detail"]
    assert (found["row"], found["field"]) == (1, field)
    assert problem in found["problem"]
    assert allowed in found["allowed"]
    assert count(engine) == 0


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"outcomes": []}', b"\xff", b"[" * 10_000])
def test_a_body_without_outcomes_is_422(client: TestClient, body: bytes) -> None:
    assert client.post("/outcomes", content=body).status_code == 422


def test_ten_thousand_outcomes_fit_one_request(client: TestClient, engine: Engine) -> None:
    ids = client.post("/predict", json={"instances": [EXAMPLE] * 10_000}).json()["prediction_id"]
    status, results = send(client, *[(one, 1) for one in ids])
    assert status == 200
    assert count(engine) == 10_000
    assert {result["status"] for result in results} == {"recorded"}


def test_more_outcomes_than_allowed_are_refused(settings: Settings, champion: str) -> None:
    with TestClient(create_app(settings.model_copy(update={"max_rows": 2}))) as client:
        rows = [{"prediction_id": UNKNOWN, "outcome": 1}] * 3
        response = client.post("/outcomes", json={"outcomes": rows})
    assert response.status_code == 422
    assert "at most 2" in response.json()["detail"][0]["allowed"]


def test_a_prediction_shows_its_row(client: TestClient, ids: list[str], champion: str) -> None:
    row = client.get(f"/predictions/{ids[0]}").json()
    assert row["prediction_id"] == ids[0]
    assert row["model_version"] == champion
    assert row["features"] == EXAMPLE
    assert row["outcome"] is None
    assert row["outcomes"] == []


@pytest.mark.parametrize("one", [UNKNOWN, "x", "%F0%9F%98%80"])
def test_an_unknown_prediction_is_404(client: TestClient, one: str) -> None:
    response = client.get(f"/predictions/{one}")
    assert response.status_code == 404
    assert "no prediction has the id" in response.json()["detail"]
