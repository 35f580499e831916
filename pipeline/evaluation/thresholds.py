"""From which probability upwards a binary model answers its positive class."""

import numpy as np

from contracts.params import Cost
from pipeline.evaluation.holdout import Floats

GRID = np.arange(1, 1001) / 1000  # what is chosen is what is served: 3 decimals


def choose_threshold(truths: Floats, probabilities: Floats, cost: Cost | None) -> float:
    """The threshold of smallest expected cost, or without a cost of largest F1; 3 decimals.

    Where several are equally good, the one in the middle.

    Args:
        truths: (n,) 1 = positive class.
        probabilities: (n,) of the positive class, on rows that the model has not learned from.
    """
    scores = threshold_scores(truths, probabilities, cost)
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    return float(GRID[best[len(best) // 2]])


def threshold_scores(truths: Floats, probabilities: Floats, cost: Cost | None) -> Floats:
    """What is gained at each threshold of GRID, (1000,): F1, or minus the mean cost of a row."""
    falls = [np.sort(probabilities[truths == label]) for label in (0, 1)]
    # A row is answered positive when its probability reaches the threshold.
    false, true = (len(part) - np.searchsorted(part, GRID, side="left") for part in falls)
    missed = len(falls[1]) - true
    if cost is not None:
        total = false * cost.false_positive + missed * cost.false_negative
        return np.asarray(-total / max(len(truths), 1), dtype=np.float64)
    return np.asarray(2 * true / np.maximum(2 * true + false + missed, 1), dtype=np.float64)
