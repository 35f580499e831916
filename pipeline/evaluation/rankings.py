"""ROC area and average precision of weighted rows, sorted once for hundreds of resamples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.evaluation.holdout import Floats, Integers


@dataclass(frozen=True)
class Ranking:
    """Rows by falling score; `starts` says where each distinct score begins."""

    order: Integers
    starts: Integers
    positive: NDArray[np.bool_]

    def curve(self, weights: Floats) -> tuple[Floats, Floats]:
        """Weight of positive and of negative rows at each distinct score, falling."""
        ordered = weights[self.order]
        positive = np.add.reduceat(np.where(self.positive, ordered, 0.0), self.starts)
        return positive, np.add.reduceat(ordered, self.starts) - positive


def rank(scores: Floats, positive: NDArray[np.bool_]) -> Ranking:
    """Args are (n,)."""
    order = np.argsort(-scores, kind="stable")
    starts = np.flatnonzero(np.diff(scores[order], prepend=np.inf))
    return Ranking(order, starts, positive[order])


def rank_measures(ranking: Ranking, weights: Floats) -> tuple[float, float]:
    """Area under the ROC curve and average precision; NaN where a class has no weight."""
    positive, negative = ranking.curve(weights)
    hits = positive.cumsum()
    answered = hits + negative.cumsum()
    total, others = hits[-1], negative.sum()
    if total <= 0 or others <= 0:
        return np.nan, np.nan
    area = float((negative * (hits - positive / 2)).sum() / (total * others))
    precision = np.divide(hits, answered, out=np.zeros_like(hits), where=answered > 0)
    return area, float((positive * precision).sum() / total)
