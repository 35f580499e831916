"""The comparison of both ledgers sees every kind of harm."""

import json
from types import SimpleNamespace

import pytest

from benchmarks.faults.compare import Verdict, compare
from benchmarks.faults.journal import Line
from benchmarks.faults.requests import KEY_EVERY, make_request
from benchmarks.faults.stored import Stored

NUMBER = KEY_EVERY  # a request of one row, with a key
REQUEST = make_request(NUMBER)
ANSWER = {
    "prediction": [1], "probability": [0.75], "prediction_id": ["a"], "model_version": "v"
}  # fmt: skip
ROW = Stored("a", NUMBER, "v", json.dumps(REQUEST.rows[0]), "1", 0.75)
SAME = SimpleNamespace(probabilities=lambda _version, rows: [0.75] * len(rows))


def judge(rows: list[Stored], *answers: object, oracle: object = SAME) -> Verdict:
    lines = [Line(NUMBER, 0.0, REQUEST.digest, REQUEST.key)]
    for answer in answers:
        status, body = (answer, None) if isinstance(answer, int) else (200, json.dumps(answer))
        lines.append(Line(NUMBER, 1.0, None, REQUEST.key, status, body))
    return compare(lines, rows, oracle)


def test_an_answer_with_its_row_is_no_harm() -> None:
    assert judge([ROW], ANSWER) == Verdict(requests=1, acknowledged=1)


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([], "lost"),
        ([ROW._replace(prediction_id="b")], "lost"),
        ([ROW, ROW._replace(prediction_id="b")], "duplicated"),
        ([ROW._replace(probability=0.5)], "torn"),
        ([ROW._replace(prediction="0")], "torn"),
        ([ROW._replace(features=json.dumps({**REQUEST.rows[0], "hour": 1}))], "torn"),
        ([ROW._replace(version="w")], "mismatched"),
    ],
)
def test_a_row_that_is_not_the_answer_is_harm(rows: list[Stored], kind: str) -> None:
    verdict = judge(rows, ANSWER)
    assert verdict.faults == getattr(verdict, kind) == 1


def test_an_answer_that_its_version_would_not_give_is_mismatched() -> None:
    other = SimpleNamespace(probabilities=lambda _version, rows: [0.5] * len(rows))
    assert judge([ROW], ANSWER, oracle=other).mismatched == 1


def test_a_repeated_key_with_another_answer_is_duplicated() -> None:
    second = {**ANSWER, "prediction_id": ["b"]}
    assert judge([ROW], ANSWER, 0, ANSWER).faults == 0
    assert judge([ROW], ANSWER, second).duplicated == 1


def test_an_unanswered_request_may_be_stored_once() -> None:
    assert judge([ROW], 0).faults == judge([], 0).faults == 0
    assert judge([ROW], 0).phantom == 1
    assert judge([ROW, ROW._replace(prediction_id="b")], 0).duplicated == 1


def test_half_a_request_is_torn() -> None:
    many = make_request(50)
    rows = [Stored(str(i), 50, "v", json.dumps(row), "1", 0.75) for i, row in enumerate(many.rows)]
    lines = [Line(50, 0.0, many.digest), Line(50, 1.0, None, None, 0)]
    assert compare(lines, rows, SAME).torn == 0
    assert compare(lines, rows[:-1], SAME).torn == 1
