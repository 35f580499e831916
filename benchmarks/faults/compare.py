"""The client's journal against the database: lost, duplicated, torn, mismatched."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.faults.journal import Line
from benchmarks.faults.oracle import Oracle
from benchmarks.faults.requests import Request, make_request
from benchmarks.faults.stored import Stored

Told = tuple[dict[str, Any], float]  # a row's features, and the probability in its answer

TOLERANCE = 1e-5  # a group of another size may round the last bits of a float32 otherwise


@dataclass
class Verdict:
    """Counts of rows, but for `requests` and `refused`, which are counts of requests."""

    requests: int = 0
    acknowledged: int = 0
    lost: int = 0
    duplicated: int = 0
    torn: int = 0
    mismatched: int = 0
    refused: int = 0  # answered 503
    failed: int = 0  # answered 4xx or 5xx, but for 503
    unknown: int = 0  # never answered
    phantom: int = 0  # rows of requests that were not answered with 200; at most once each

    def add(self, other: "Verdict") -> None:
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    @property
    def faults(self) -> int:
        return self.lost + self.duplicated + self.torn + self.mismatched


def compare(lines: Iterable[Line], rows: Sequence[Stored], oracle: Oracle) -> Verdict:
    """Judge every request of a journal.

    Args:
        rows: at least the rows of these requests; others are left out.
    """
    found: dict[int, list[Stored]] = defaultdict(list)
    for row in rows:
        found[row.number].append(row)
    answers: dict[int, list[Line]] = defaultdict(list)
    for line in lines:
        if line.status is None:
            answers[line.number]  # asked: known, even if nothing ever comes
        else:
            answers[line.number].append(line)
    verdict = Verdict()
    told: dict[str, list[Told]] = defaultdict(list)  # by version
    for number, own in answers.items():
        request = make_request(number)
        answer = _judge(verdict, request, own, found[number])
        if answer is not None:
            told[answer["model_version"]] += zip(request.rows, answer["probability"], strict=True)
    for version, pairs in told.items():
        expected = oracle.probabilities(version, [features for features, _ in pairs])
        verdict.mismatched += sum(
            abs(said - due) > TOLERANCE for (_, said), due in zip(pairs, expected, strict=True)
        )
    return verdict


def _judge(
    verdict: Verdict, request: Request, lines: list[Line], rows: list[Stored]
) -> dict[str, Any] | None:
    """Judge one request; gives its answer, if there was one."""
    bodies = [line.body for line in lines if line.status == 200 and line.body is not None]
    verdict.requests += 1
    verdict.duplicated += max(0, len(rows) - len(request.rows))
    verdict.duplicated += len(set(bodies)) - 1 if bodies else 0  # a repeated key, another answer
    verdict.torn += 0 < len(rows) < len(request.rows)  # a request is written whole or not at all
    if not bodies:
        _judge_unanswered(verdict, request, lines, rows)
        return None
    answer: dict[str, Any] = json.loads(bodies[0])
    by_id = {row.prediction_id: row for row in rows}
    verdict.acknowledged += len(request.rows)
    for index, prediction_id in enumerate(answer["prediction_id"]):
        row = by_id.get(prediction_id)
        if row is None:
            verdict.lost += 1
            continue
        verdict.mismatched += row.version != answer["model_version"]
        verdict.torn += (json.loads(row.features), json.loads(row.prediction), row.probability) != (
            request.rows[index], answer["prediction"][index], answer["probability"][index]
        )  # fmt: skip
    return answer


def _judge_unanswered(
    verdict: Verdict, request: Request, lines: list[Line], rows: list[Stored]
) -> None:
    statuses = {line.status for line in lines}
    verdict.refused += 503 in statuses
    verdict.failed += any(s not in (0, 503) for s in statuses)
    verdict.unknown += not statuses or statuses == {0}
    verdict.phantom += len(rows)
    verdict.torn += sum(json.loads(row.features) not in request.rows for row in rows)
