"""GET /outcomes/wanted: unsure answers, unlike each other, that have no outcome yet."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, select
from starlette.testclient import TestClient

from contracts.tables import predictions
from service.answer.wanted import fits, pick, uncertainty
from tests.bundles import EXAMPLE, make_rows, make_schema

SCHEMA = make_schema()


def ask(client: TestClient, **query: object) -> list[dict[str, Any]]:
    answer = client.get("/outcomes/wanted", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["wanted"]


def predict(client: TestClient, rows: list[dict[str, Any]], hours_ago: float = 30) -> list[str]:
    moment = (datetime.now(UTC) - timedelta(hours=hours_ago)).isoformat()
    body = {"instances": rows, "event_time": moment}
    return client.post("/predict", json=body).json()["prediction_id"]


@pytest.fixture
def ids(client: TestClient) -> list[str]:
    frame = make_rows(3, 60).drop(columns="late").astype(object)
    frame = frame.where(frame.notna(), None)
    return predict(client, frame.to_dict("records"))


def test_only_rows_without_an_outcome_are_wanted(client: TestClient, ids: list[str]) -> None:
    known = [{"prediction_id": one, "outcome": 1} for one in ids[:20]]
    client.post("/outcomes", json={"outcomes": known})

    found = ask(client, limit=1000)

    assert {one["prediction_id"] for one in found} == set(ids[20:])
    assert len(found) == 40


def test_the_first_one_is_what_the_model_is_least_sure_of(
    client: TestClient, ids: list[str], engine: Engine
) -> None:
    first, *_ = ask(client, limit=5)
    with engine.connect() as connection:
        found = connection.execute(select(predictions.c.probability)).scalars()
        closest = min(abs(p - 0.5) for p in found)
    assert abs(first["probability"] - 0.5) == pytest.approx(closest)
    assert first["uncertainty"] == pytest.approx(uncertainty("binary", first["probability"], None))
    assert set(first["features"]) == set(EXAMPLE)


def test_it_is_the_same_answer_twice(client: TestClient, ids: list[str]) -> None:
    assert ask(client, limit=7) == ask(client, limit=7)


def test_rows_that_cannot_have_an_outcome_yet_are_left_alone(client: TestClient) -> None:
    young = predict(client, [EXAMPLE], hours_ago=1)
    old = predict(client, [EXAMPLE], hours_ago=24 * 40)
    assert ask(client) == []
    assert [one["prediction_id"] for one in ask(client, older_than_hours=0.5)] == young
    found = ask(client, newer_than_days=50, older_than_hours=48)
    assert [one["prediction_id"] for one in found] == old


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "older_than_hours=-1", "newer_than_days=nan"]
)
def test_a_question_that_makes_no_sense_is_refused(client: TestClient, query: str) -> None:
    answer = client.get(f"/outcomes/wanted?{query}")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["field"] == query.split("=")[0]


def test_entropy_grows_towards_the_middle_and_intervals_by_their_width() -> None:
    assert uncertainty("binary", 0.5, None) == pytest.approx(np.log(2))
    assert uncertainty("binary", 0.0, None) == uncertainty("binary", 1.0, None) == 0
    assert uncertainty("multiclass", None, [0.2, 0.5, 0.3]) > uncertainty(
        "multiclass", None, [0.0, 0.9, 0.1]
    )
    assert uncertainty("regression", None, [2.0, 5.5]) == 3.5
    assert uncertainty("regression", None, None) == 0


def test_twins_of_what_is_picked_come_last() -> None:
    rows = [EXAMPLE, EXAMPLE, {**EXAMPLE, "hour": 3}, {**EXAMPLE, "carrier": "AA"}]
    assert pick([1.0, 1.0, 0.5, 0.4], rows, SCHEMA, 4)[-1] == 1
    assert sorted(pick([0.0] * 4, rows, SCHEMA, 9)) == [0, 1, 2, 3]  # nothing known: still all
    assert pick([], [], SCHEMA, 3) == []


def test_rows_of_another_schema_are_not_compared() -> None:
    assert fits(EXAMPLE, SCHEMA)
    assert fits({}, SCHEMA)
    assert not fits({**EXAMPLE, "temp": "warm"}, SCHEMA)
    assert not fits({**EXAMPLE, "carrier": 7}, SCHEMA)
