import json
from datetime import UTC, datetime

import numpy as np
import pytest
import skops.io
from sqlalchemy import Engine, func, select
from starlette.testclient import TestClient

from contracts.tables import predictions
from tests.bundles import EXAMPLE, make_rows, make_schema
from tests.conftest import MadeBundle

VALUES = list(EXAMPLE.values())


def predict(client: TestClient, body: object) -> dict:
    response = client.post("/predict", json=body)
    assert response.status_code == 200, response.text
    return response.json()


def logged(engine: Engine) -> list:
    with engine.connect() as connection:
        return list(connection.execute(select(predictions)))


@pytest.mark.parametrize(
    "body",
    [
        {"features": VALUES},
        {"features": EXAMPLE},
        {"features": dict(reversed(EXAMPLE.items()))},
        {"instances": [EXAMPLE]},
        {"instances": [VALUES]},
    ],
    ids=["positional", "named", "named in another order", "one object", "one array"],
)
def test_every_form_gives_the_same_answer(client: TestClient, champion: str, body: dict) -> None:
    expected = predict(client, {"features": EXAMPLE})
    answer = predict(client, body)
    assert answer["probability"] == expected["probability"]
    assert answer["prediction"] == expected["prediction"]
    assert answer["model_version"] == champion
    assert len(answer["prediction_id"]) == 1


def test_answers_equal_scikit_learn(client: TestClient, bundle_a: MadeBundle) -> None:
    schema = make_schema()
    frame = make_rows(seed=7, rows=200)
    model = skops.io.loads(
        (bundle_a.directory / "model.skops").read_bytes(), trusted=["numpy.dtype"]
    )
    columns = frame[schema.numeric + schema.categorical].to_numpy(object)
    expected = model.predict_proba(columns)[:, 1]
    rows = json.loads(frame[schema.names].to_json(orient="records"))
    answer = predict(client, {"instances": rows})
    np.testing.assert_allclose(answer["probability"], expected, atol=1e-5)
    assert answer["prediction"] == [int(p >= 0.5) for p in answer["probability"]]


def test_the_row_is_in_the_ledger_when_the_answer_arrives(
    client: TestClient, engine: Engine, champion: str
) -> None:
    answer = predict(client, {"instances": [VALUES, {**EXAMPLE, "carrier": "AA"}]})
    rows = logged(engine)
    assert [row.prediction_id for row in rows] == answer["prediction_id"]
    assert {row.model_version for row in rows} == {champion}
    assert [json.loads(row.features)["carrier"] for row in rows] == ["UA", "AA"]
    assert json.loads(rows[0].features) == EXAMPLE
    assert [row.probability for row in rows] == answer["probability"]
    assert [json.loads(row.prediction) for row in rows] == answer["prediction"]


def test_ids_sort_by_time(client: TestClient) -> None:
    ids = [predict(client, {"features": VALUES})["prediction_id"][0] for _ in range(20)]
    assert ids == sorted(ids)
    assert len(set(ids)) == 20


def test_event_time_is_kept_in_utc(client: TestClient, engine: Engine) -> None:
    predict(client, {"features": VALUES, "event_time": "2013-04-01T12:00:00+02:00"})
    assert logged(engine)[0].event_time == datetime(2013, 4, 1, 10, tzinfo=UTC)


def test_event_time_is_now_when_absent(client: TestClient, engine: Engine) -> None:
    predict(client, {"features": VALUES})
    row = logged(engine)[0]
    assert row.event_time == row.predicted_at
    assert abs((datetime.now(UTC) - row.predicted_at).total_seconds()) < 60


@pytest.mark.parametrize(
    "change",
    [
        {"carrier": "XX"},
        {"carrier": "Ångström ✈"},
        {"origin": None},
        {"origin": ""},
        {"wind": None},
        {"temp": 61},
        {"hour": 17.0},
        {"temp": 1e30},
        {"temp": -1e30},
        {"hour": 10**25},
    ],
    ids=str,
)
def test_unusual_values_that_are_allowed_predict(client: TestClient, change: dict) -> None:
    assert 0 <= predict(client, {"features": {**EXAMPLE, **change}})["probability"][0] <= 1


def test_nullable_features_may_be_left_out(client: TestClient) -> None:
    required = {name: EXAMPLE[name] for name in ("hour", "temp", "carrier")}
    left_out = predict(client, {"features": required})
    null = predict(client, {"features": {**required, "wind": None, "origin": None}})
    assert left_out["probability"] == null["probability"]


def test_many_rows_come_back_in_order(client: TestClient, engine: Engine) -> None:
    rows = [{**EXAMPLE, "hour": hour % 24} for hour in range(3000)]
    answer = predict(client, {"instances": rows})
    assert answer["probability"][:24] == answer["probability"][24:48]
    assert answer["probability"][0] != answer["probability"][1]
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(predictions)).scalar() == 3000


def test_other_methods_are_refused(client: TestClient) -> None:
    response = client.get("/predict")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"


def test_a_body_that_curl_calls_a_form_is_read_as_json(client: TestClient) -> None:
    body = json.dumps({"features": EXAMPLE})
    kinds = {
        "application/x-www-form-urlencoded": 200,
        "text/plain": 415,
        "multipart/form-data": 415,
    }
    for kind, status in kinds.items():
        response = client.post("/predict", content=body, headers={"Content-Type": kind})
        assert response.status_code == status
