"""A better challenger passes, an equal or worse one does not, and days count, not rows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contracts.monitoring_params import Gate
from contracts.params import load_params
from monitoring.gate import MOST_SURPRISE, Verdict, judge

TRUTH = 0.3


@pytest.fixture(scope="module")
def gate() -> Gate:
    return load_params(Path("params.yaml")).monitoring.gate


def _case(
    days: int, a_day: int = 100, seed: int = 0
) -> tuple["pd.Series[pd.Timestamp]", np.ndarray]:
    start = pd.Timestamp("2013-06-01", tz="UTC")
    times = [start + pd.Timedelta(days=d, minutes=i) for d in range(days) for i in range(a_day)]
    target = np.random.default_rng(seed).random(days * a_day) < TRUTH
    return pd.Series(times), target.astype(np.int64)


def _judge(
    times: "pd.Series[pd.Timestamp]",
    target: np.ndarray,
    champion: np.ndarray,
    challenger: np.ndarray,
    gate: Gate,
) -> Verdict:
    """The gate on probabilities of the positive class."""
    answers = [np.stack([1 - p, p], axis=1) for p in (champion, challenger)]
    return judge("binary", times, target.astype(float), *answers, gate)


def test_better_challenger_is_promoted(gate: Gate) -> None:
    times, target = _case(days=28)
    verdict = _judge(times, target, np.full(2800, 0.6), np.full(2800, TRUTH), gate)

    assert verdict.promote
    assert verdict.challenger_loss < verdict.champion_loss
    assert "saves" in verdict.reason


def test_worse_challenger_is_rejected(gate: Gate) -> None:
    times, target = _case(days=28)
    verdict = _judge(times, target, np.full(2800, TRUTH), np.full(2800, 0.6), gate)

    assert not verdict.promote
    assert "costs" in verdict.reason


def test_equal_challenger_is_rejected(gate: Gate) -> None:
    times, target = _case(days=28)
    same = np.full(2800, TRUTH)

    assert not _judge(times, target, same, same, gate).promote


def test_gain_on_a_single_day_is_not_enough(gate: Gate) -> None:
    times, target = _case(days=28)
    champion = np.full(2800, TRUTH)
    challenger = champion.copy()
    champion[:100] = 0.9  # 100 rows of one day: significant over rows, one draw over days
    challenger[100:] = TRUTH + 0.05

    verdict = _judge(times, target, champion, challenger, gate.model_copy(update={"min_t": 1.5}))

    assert verdict.challenger_loss < verdict.champion_loss
    assert not verdict.promote


def test_verdict_has_an_interval_of_what_is_saved(gate: Gate) -> None:
    times, target = _case(days=28)
    verdict = _judge(times, target, np.full(2800, 0.6), np.full(2800, TRUTH), gate)

    assert verdict.saved is not None
    assert verdict.interval is not None
    assert verdict.interval[0] < verdict.saved < verdict.interval[1]
    assert f"{verdict.interval[0]:.4f} to {verdict.interval[1]:.4f}" in verdict.reason


def _in_segments(
    gate: Gate, share: float, wrong: float, days: int = 28
) -> tuple[Verdict, "pd.DataFrame"]:
    """The challenger is right but for a segment, where it is as wrong as the champion elsewhere."""
    times, target = _case(days)
    rng = np.random.default_rng(1)
    bad = rng.random(len(target)) < share
    categories = pd.DataFrame({
        "airport": np.where(bad, "EWR", "JFK"), "carrier": rng.choice(list("abcdefgh"), len(target))
    })  # fmt: skip
    champion = np.where(bad, TRUTH, 0.6)
    challenger = np.where(bad, wrong, TRUTH)
    answers = [np.stack([1 - p, p], axis=1) for p in (champion, challenger)]
    truths = target.astype(float)
    return judge("binary", times, truths, *answers, gate, categories), categories


def test_challenger_that_hurts_a_large_segment_is_refused_and_the_segment_named(gate: Gate) -> None:
    verdict, categories = _in_segments(gate, share=0.2, wrong=0.6)

    assert verdict.t is not None
    assert verdict.t > gate.min_t, "on the whole it is better"
    assert not verdict.promote
    assert [(each.column, each.category) for each in verdict.hurt] == [("airport", "EWR")]
    assert verdict.hurt[0].rows == (categories.airport == "EWR").sum()
    assert verdict.reason.startswith("it hurts segments, loss a row: airport EWR by 0.")


@pytest.mark.parametrize(
    ("share", "wrong", "changes"),
    [
        (0.02, 0.6, {}),
        (0.2, TRUTH + 0.01, {}),
        (0.2, 0.6, {"segments": None}),
    ],
    ids=["a small segment", "hurt by little", "not asked"],
)
def test_segment_does_not_refuse_where_it_should_not(
    gate: Gate, share: float, wrong: float, changes: dict[str, object]
) -> None:
    verdict, _ = _in_segments(gate.model_copy(update=changes), share, wrong)

    assert verdict.promote
    assert verdict.hurt == ()


def test_random_labels_surprise_a_champion_on_all_days_and_right_ones_do_not(gate: Gate) -> None:
    times, _ = _case(days=28)
    rng = np.random.default_rng(2)
    chances = rng.uniform(0.02, 0.98, len(times))
    target = (rng.random(len(times)) < chances).astype(np.int64)
    flipped = np.where(rng.random(len(times)) < 0.2, 1 - target, target)
    right, wrong = (
        _judge(times, labels, chances, np.full(2800, TRUTH), gate).surprise
        for labels in (target, flipped)
    )

    assert right is not None
    assert abs(right) < 3
    assert wrong is not None
    assert wrong > MOST_SURPRISE


def test_segments_of_equal_models_seldom_refuse(gate: Gate) -> None:
    """Nine segments are looked at in each of forty cases; 5 % may be refused by chance."""
    refused = 0
    for seed in range(40):
        times, target = _case(days=28, seed=seed)
        rng = np.random.default_rng(seed)
        categories = pd.DataFrame({"carrier": rng.choice(list("abcdefghi"), len(target))})
        noise = rng.normal(0, 0.05, (2, len(target)))
        answers = [np.stack([1 - p, p], axis=1) for p in TRUTH + noise]
        verdict = judge("binary", times, target.astype(float), *answers, gate, categories)
        refused += bool(verdict.hurt)

    assert refused <= 5


@pytest.mark.parametrize(("days", "a_day"), [(13, 100), (20, 10), (0, 0)])
def test_too_little_is_not_judged(gate: Gate, days: int, a_day: int) -> None:
    times, target = _case(days, a_day)
    flat = np.full(len(target), 0.5)

    verdict = _judge(pd.to_datetime(times, utc=True), target, flat, flat, gate)

    assert not verdict.promote
    assert "not enough to judge" in verdict.reason


def test_certain_and_wrong_is_a_finite_loss(gate: Gate) -> None:
    times, target = _case(days=28)
    verdict = _judge(times, target, 1.0 - target, np.full(2800, TRUTH), gate)

    assert np.isfinite(verdict.champion_loss)


def test_regression_is_judged_by_its_absolute_error(gate: Gate) -> None:
    times, _ = _case(days=28)
    truths = np.random.default_rng(0).normal(100, 10, len(times))
    champion, challenger = (truths.reshape(-1, 1) + error for error in (5.0, 1.0))
    varied = challenger + np.random.default_rng(1).normal(0, 0.1, challenger.shape)

    verdict = judge("regression", times, truths, champion, varied, gate)

    assert verdict.promote
    assert verdict.champion_loss == pytest.approx(5.0)
