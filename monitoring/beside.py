"""A champion's answers beside what its predecessor would have answered to the same rows. Pure.

The same rows, so that a change of the inputs is no shift of the answers. An honest retrain answers
differently too, and how much is measured by `python -m benchmarks.beside`: only beyond that with a
clear margin a shift is a fault (docs/adr/0034).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from contracts.losses import CLIP
from contracts.monitoring_params import ShiftLimits
from contracts.params import Task
from monitoring.vitals import Sign

BINS = 10  # of about equal numbers of the predecessor's answers
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """How far answers are from the predecessor's; of many classes, of the one that moved most.

    Attributes:
        mean: difference of the means; of a regression in standard deviations of the predecessor's.
        variation: total variation between the distributions, 0 to 1, once both have the same
            median: how high answers are is followed by recalibration, and honest retrains differ
            in it most.
        rank: Spearman's correlation, of many classes the mean by their weight; None = the
            predecessor answers all rows alike.
    """

    rows: int
    mean: float
    variation: float
    rank: float | None


def measure_shift(task: Task, before: Matrix, now: Matrix) -> Shift:
    """Compare the answers of two versions to the same rows.

    Args:
        before, now: (n, outputs), finite, n at least 1.
    """
    outputs = range(1, 2) if task == "binary" else range(before.shape[1])
    pairs = [(before[:, k], now[:, k]) for k in outputs]
    means = np.array([float(b.mean() - a.mean()) for a, b in pairs])
    if task == "regression":
        means /= max(float(before.std()), 1e-12)
    variation = max(_variation(*(_unbounded(task, each) for each in pair)) for pair in pairs)
    weights = [float(a.mean()) if task == "multiclass" else 1.0 for a, _ in pairs]
    ranks = [(weight, _rank(a, b)) for weight, (a, b) in zip(weights, pairs, strict=True)]
    known = [(weight, rank) for weight, rank in ranks if rank is not None]
    total = sum(weight for weight, _ in known)
    rank = sum(weight * rank for weight, rank in known) / total if total else None
    return Shift(len(now), float(means[np.abs(means).argmax()]), variation, rank)


def judge_shift(task: Task, shift: Shift, limits: ShiftLimits) -> Sign:
    """Worse, if one of the figures is beyond its limit; the mean of a regression has none."""
    if shift.rows < limits.min_rows:
        return Sign(f"its answers are not compared: {shift.rows} rows, {limits.min_rows} asked for")
    beyond = {
        f"mean {limits.max_mean:g}": task != "regression" and abs(shift.mean) > limits.max_mean,
        f"variation {limits.max_variation:g}": shift.variation > limits.max_variation,
        f"rank {limits.min_rank:g}": shift.rank is not None and shift.rank < limits.min_rank,
    }
    unit = " standard deviations" if task == "regression" else ""
    ranks = "" if shift.rank is None else f", rank correlation {shift.rank:.2f}"
    told = (
        f"its answers to {shift.rows} rows are {shift.mean:+.3f}{unit} from its predecessor's on "
        f"average (total variation {shift.variation:.2f}{ranks})"
    )
    passed = [name for name, is_beyond in beyond.items() if is_beyond]
    return Sign(f"{told}: beyond {', '.join(passed)}" if passed else told, bool(passed))


def _unbounded(task: Task, answers: NDArray[np.float64]) -> NDArray[np.float64]:
    """A probability's log-odds, so that a level is a shift; a regression's value as it is."""
    if task == "regression":
        return answers
    odds = np.clip(answers, CLIP, 1 - CLIP)
    return np.asarray(np.log(odds / (1 - odds)))


def _variation(before: NDArray[np.float64], now: NDArray[np.float64]) -> float:
    now = now - np.median(now) + np.median(before)
    edges = np.unique(np.quantile(before, np.arange(1, BINS) / BINS))
    shares = [
        np.bincount(np.searchsorted(edges, each), minlength=BINS) / len(each)
        for each in (before, now)
    ]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _rank(before: NDArray[np.float64], now: NDArray[np.float64]) -> float | None:
    if np.ptp(before) == 0:
        return None
    return 0.0 if np.ptp(now) == 0 else float(spearmanr(before, now).statistic)
