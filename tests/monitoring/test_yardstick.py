"""What a champion is estimated to cost, measured by golden rows and by nobody's own belief."""

import numpy as np
import pytest

from contracts.losses import row_losses
from contracts.monitoring_params import EstimateLimits
from contracts.params import Task
from monitoring.yardstick import estimate_losses, judge_estimate

ROWS = 4000
Matrix = np.ndarray


def world(seed: int) -> tuple[Matrix, Matrix, Matrix]:
    """Outcomes, what an honest model answers, and the log-odds behind them."""
    rng = np.random.default_rng(seed)
    odds = rng.normal(-1, 1.2, ROWS)
    late = (rng.random(ROWS) < 1 / (1 + np.exp(-odds))).astype(float)
    return late, odds + rng.normal(0, 0.4, ROWS), odds


def chances(odds: Matrix) -> Matrix:
    positive = 1 / (1 + np.exp(-odds))
    return np.column_stack([1 - positive, positive])


def share(change: object) -> tuple[float, float]:
    """Estimated and realised loss that a changed model adds, as a share."""
    (known, seen, true), (later, asked, true_later) = world(0), world(1)
    golden = chances(seen), chances(change(seen, true))
    rows = chances(asked), chances(change(asked, true_later))
    before, now = estimate_losses("binary", known, golden, rows)
    losses = [row_losses("binary", later, each).mean() for each in rows]
    return now / before - 1, losses[1] / losses[0] - 1


@pytest.mark.parametrize(
    "change",
    [lambda seen, true: 3 * seen, lambda seen, true: -seen, lambda seen, true: true],
    ids=["overconfident", "upside down", "better"],
)
def test_the_estimate_is_near_what_came_true(change: object) -> None:
    estimated, realised = share(change)
    assert estimated == pytest.approx(realised, rel=0.2, abs=0.02)


def test_an_overconfident_model_is_found_though_it_thinks_well_of_itself() -> None:
    estimated, _ = share(lambda seen, true: 3 * seen)
    assert judge_estimate(0.5, 0.5 * (1 + estimated), ROWS, EstimateLimits()).worse


def test_a_regression_is_measured_too() -> None:
    rng = np.random.default_rng(0)
    truths, noise = rng.normal(0, 3, ROWS), rng.normal(0, 1, ROWS)
    good, bad = (truths + noise)[:, None], (3 * truths + noise + 1)[:, None]
    before, now = estimate_losses("regression", truths, (good, bad), (good, bad))

    assert before == pytest.approx(np.abs(noise).mean(), rel=0.05)
    assert now == pytest.approx(np.abs(bad[:, 0] - truths).mean(), rel=0.1)


def test_many_classes_of_which_golden_rows_miss_one() -> None:
    rng = np.random.default_rng(0)
    answers = rng.dirichlet([2, 1, 1], ROWS)
    truths = np.array([rng.choice(3, p=each) for each in answers], float)
    some = truths < 2
    task: Task = "multiclass"
    found = estimate_losses(task, truths[some], (answers[some],) * 2, (answers, answers))

    assert found is not None
    assert found[0] == found[1]
    assert estimate_losses(task, np.zeros(9), (answers[:9],) * 2, (answers, answers)) is None


def test_few_rows_are_not_judged() -> None:
    sign = judge_estimate(0.5, 5.0, 499, EstimateLimits())
    assert (sign.worse, sign.sentence) == (
        False, "its loss is not estimated: 499 rows, 500 asked for"
    )  # fmt: skip
