"""deploy/rollout/judge.py: what is found in answers and counters, and what is not."""

from typing import Any

import pytest

from deploy.rollout.judge import SAME_MODEL, Limits, Traffic, compare, traffic, watch

SCORES = [n / 100 for n in range(100)]


def _answers(scores: list[float]) -> list[tuple[int, float]]:
    return [(int(score >= 0.5), score) for score in scores]


def _replica(requests: float = 0, **other: Any) -> dict[str, Any]:
    buckets = {"0.05": requests, "1.0": requests, "+Inf": requests}
    return {
        "name": "next", "address": "10.0.0.1", "ready": True, "problem": None,
        "process_start_time_seconds": 1.0, "requests": requests, "errors": 0.0, "failures": 0.0,
        "buckets": buckets, **other,
    }  # fmt: skip


def _traffic(requests: float, failed: float, seconds: float | None) -> Traffic:
    """All of them took so long."""
    edges = (0.01, 0.05, 0.1, 0.5, 1.0, float("inf"))
    return Traffic(requests, failed, {e: requests * (e >= (seconds or 0)) for e in edges})


def test_the_same_answers_are_the_same_model() -> None:
    figures, problems = compare(_answers(SCORES), _answers(SCORES), SAME_MODEL)

    assert problems == []
    assert figures["rows"] == 100


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([0.4] * 100, "correlation"),
        (list(reversed(SCORES)), "flips"),
        ([score + 2 for score in SCORES], "shift"),
    ],
    ids=["constant", "reversed", "moved"],
)
def test_a_bad_model_is_found_in_its_answers(scores: list[float], said: str) -> None:
    _, problems = compare(_answers(SCORES), _answers(scores), Limits())

    assert any(said in problem for problem in problems)


def test_a_somewhat_different_model_is_let_through_and_is_not_the_same() -> None:
    other = _answers([min(0.99, score + 0.03) for score in SCORES])

    assert compare(_answers(SCORES), other, Limits())[1] == []
    assert compare(_answers(SCORES), other, SAME_MODEL)[1] != []


def test_a_regression_has_no_flips() -> None:
    present = [(score, score) for score in SCORES]
    figures, problems = compare(present, [(s + 1e-5, s + 1e-5) for s in SCORES], SAME_MODEL)

    assert figures["flips"] == 0
    assert problems == []


def test_only_what_grew_between_two_looks_counts() -> None:
    grown = traffic([_replica(100)], [_replica(140, errors=2.0)])

    assert (grown.requests, grown.failed, grown.p95) == (40, 2, 0.05)


def test_a_replica_that_began_anew_counts_from_zero() -> None:
    assert traffic([_replica(100)], [_replica(7, process_start_time_seconds=2.0)]).requests == 7


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ([], "ended"),
        ([_replica(process_start_time_seconds=9.0)], "began anew"),
        ([_replica(ready=False, problem="no champion")], "no champion"),
        ([_replica(perennial_check_alarm=1.0)], "perennial_check_alarm"),
    ],
    ids=["gone", "restarted", "not ready", "alarm"],
)
def test_the_state_of_a_replica_is_watched(now: list[dict[str, Any]], said: str) -> None:
    nothing = Traffic(0, 0)

    assert any(said in one for one in watch([_replica()], now, nothing, nothing, Limits()))


@pytest.mark.parametrize(
    ("new", "old", "said"),
    [
        (_traffic(100, 3, 0.05), _traffic(100, 0, 0.05), "failed"),
        (_traffic(100, 3, 0.05), _traffic(100, 3, 0.05), None),
        (_traffic(100, 0, 1.0), _traffic(700, 0, 0.05), "p95"),
        (_traffic(100, 0, 1.0), _traffic(700, 0, 0.5), None),
        (_traffic(100, 0, 0.05), _traffic(700, 0, 0.01), None),
        (_traffic(100, 0, 1.0), _traffic(0, 0, None), "p95"),
        (_traffic(9, 0, 1.0), _traffic(700, 0, 0.05), "p95"),
        (_traffic(4, 0, 1.0), _traffic(700, 0, 0.05), None),
    ],
    ids=["errors", "as before", "slow", "both slow", "fast enough", "alone", "few", "too few"],
)
def test_errors_and_times_are_judged_beside_the_present(
    new: Traffic, old: Traffic, said: str | None
) -> None:
    problems = watch([_replica()], [_replica()], new, old, Limits())

    assert (said in problems[0]) if said else problems == []
