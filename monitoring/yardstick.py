"""What a champion is likely to cost before outcomes come, measured by neither model's own belief.

An overconfident model thinks well of itself. So what is to be expected of a row is learned from
golden rows, whose outcomes are known and which neither model has learned: the chance of each class
given what BOTH models answer to it (stacking, Wolpert 1992). Both are then measured by that. It
cannot see a change of the target, nor what golden rows do not show; docs/adr/0034.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from contracts.losses import CLIP, row_losses
from contracts.monitoring_params import EstimateLimits
from contracts.params import Task
from monitoring.vitals import Sign

RESIDUALS = 101  # quantiles that stand for a regression's residuals
Matrix = NDArray[np.float64]


def estimate_losses(
    task: Task,
    truths: NDArray[np.float64],
    golden: tuple[Matrix, Matrix],
    rows: tuple[Matrix, Matrix],
) -> tuple[float, float] | None:
    """Mean loss a row to expect of two models on the same rows; None = golden rows cannot tell.

    Args:
        truths: (g,) of the golden rows, as Target.truths.
        golden: both models' answers to the golden rows, (g, outputs).
        rows: both models' answers to the rows that are asked about, (n, outputs).
    """
    if task == "regression":
        return _of_values(truths, golden, rows)
    if len(np.unique(truths)) < 2:
        return None
    belief = LogisticRegression(max_iter=1000).fit(_log_odds(golden), truths)
    found = belief.predict_proba(_log_odds(rows))
    chances = np.zeros_like(rows[0])
    chances[:, belief.classes_.astype(int)] = found  # a class may be missing among golden rows
    before, now = (
        float(-(chances * np.log(np.clip(each, CLIP, 1 - CLIP))).sum(axis=1).mean())
        for each in rows
    )
    return before, now


def judge_estimate(before: float, now: float, rows: int, limits: EstimateLimits) -> Sign:
    """Worse, if it is estimated to cost more than `max_cost` of its predecessor's loss."""
    if rows < limits.min_rows:
        return Sign(f"its loss is not estimated: {rows} rows, {limits.min_rows} asked for")
    share = (now - before) / max(before, CLIP)
    told = f"its estimated loss is {now:.4f}, its predecessor's {before:.4f} ({share:+.1%})"
    if share > limits.max_cost:
        return Sign(f"{told}: more than {limits.max_cost:.0%}", True)
    return Sign(told)


def _log_odds(both: tuple[Matrix, Matrix]) -> Matrix:
    """(n, features): of each model, each class against the first."""
    logs = [np.log(np.clip(each, CLIP, 1 - CLIP)) for each in both]
    return np.column_stack([each[:, 1:] - each[:, :1] for each in logs])


def _of_values(
    truths: NDArray[np.float64], golden: tuple[Matrix, Matrix], rows: tuple[Matrix, Matrix]
) -> tuple[float, float]:
    """Absolute errors, where what is to come scatters as golden rows do around the belief.

    The belief lies between the two answers, where golden rows say: it never goes beyond either.
    """
    apart = (golden[1] - golden[0])[:, 0]
    off = truths - golden[0][:, 0]
    share = float(np.clip(float(apart @ off) / max(float(apart @ apart), CLIP), 0, 1))
    residuals = np.quantile(off - share * apart, np.linspace(0, 1, RESIDUALS))
    middle = (rows[0] + share * (rows[1] - rows[0]))[:, 0]
    before, now = (
        float(np.mean([row_losses("regression", middle + each, answers) for each in residuals]))
        for answers in rows
    )
    return before, now
