"""Requests of many rows: answered as rows alone would be, wherever their model was asked."""

import json

import pytest
from msgspec.structs import replace
from sqlalchemy import Engine, select
from starlette.testclient import TestClient

from contracts.bundle import load_bundle
from contracts.tables import predictions
from service.answer.answering import SMALL_ROWS
from service.answer.decoder import Decoder
from service.answer.predictor import Predictor
from service.ledger.answers import answer_group
from service.ledger.groups import Job
from tests.bundles import EXAMPLE
from tests.conftest import MadeBundle

ROWS = [
    {**EXAMPLE, "hour": i % 24, "temp": 10 + i % 90, "carrier": ["AA", "DL", "ß"][i % 3]}
    for i in range(SMALL_ROWS + 600)
]


def test_many_rows_are_answered_and_logged_as_few_are(client: TestClient, engine: Engine) -> None:
    whole = client.post("/predict", json={"instances": ROWS}).json()
    parts = [client.post("/predict", json={"instances": ROWS[i : i + 100]}).json()
             for i in range(0, len(ROWS), 100)]  # fmt: skip
    assert whole["prediction"] == [label for part in parts for label in part["prediction"]]
    chances = [chance for part in parts for chance in part["probability"]]
    assert whole["probability"] == pytest.approx(chances)
    query = select(predictions).where(predictions.c.prediction_id.in_(whole["prediction_id"]))
    with engine.connect() as connection:
        logged = {row.prediction_id: row for row in connection.execute(query)}
    for i, prediction_id in enumerate(whole["prediction_id"]):
        row = logged[prediction_id]
        assert json.loads(row.features) == ROWS[i]
        assert json.loads(row.prediction) == whole["prediction"][i]
        assert row.probability == whole["probability"][i]


@pytest.mark.parametrize("known", [(), (0,), (1,), (0, 2), (0, 1, 2)])
def test_a_group_mixes_answers_that_are_known_with_those_that_are_not(
    bundle_a: MadeBundle, known: tuple[int, ...]
) -> None:
    bundle = load_bundle(bundle_a.directory)
    predictor, decoder = Predictor(bundle), Decoder(bundle.schema, 10)
    jobs = []
    for i in range(3):
        decoded = decoder.decode_rows(list(ROWS[5 * i : 5 * i + 2 + i]))
        if i in known:
            answers = predictor.answers(decoded.numeric, decoded.text)
            decoded = replace(decoded, asked=predictor, answers=answers)
        jobs.append(Job(predictor, len(decoded.features), None, decoded))
    answer_group(predictor, jobs)
    alone = [
        predictor.read(predictor.answers(job.payload.numeric, job.payload.text)) for job in jobs
    ]
    assert [job.answer.prediction for job in jobs] == [one.prediction for one in alone]
    for job, one in zip(jobs, alone, strict=True):
        assert job.answer.probability == pytest.approx(one.probability)


def test_answers_of_another_model_are_not_taken(bundle_a: MadeBundle, bundle_b: MadeBundle) -> None:
    bundle = load_bundle(bundle_a.directory)
    predictor, other = Predictor(bundle), Predictor(load_bundle(bundle_b.directory))
    decoded = Decoder(bundle.schema, 10).decode_rows(list(ROWS[:4]))
    own = predictor.answers(decoded.numeric, decoded.text)
    wrong = other.answers(decoded.numeric, decoded.text)
    job = Job(predictor, 4, None, replace(decoded, asked=other, answers=wrong))
    answer_group(predictor, [job])
    assert job.answer.probability == pytest.approx(own[:, 1].tolist())
