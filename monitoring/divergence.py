"""How far two histograms are apart; pure. One statistic for values, one for what is missing.

Both are shares of rows, 0 to 1, whatever the column: Kolmogorov and Smirnov's distance between
ordered bins, total variation between categories, the difference of missing shares.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from contracts.profiles import MISSING, UNSEEN

Aspect = Literal["values", "missing"]
Histograms = NDArray[np.float64]  # (..., bins)


def distance(reference: Histograms, current: Histograms, *, ordered: bool) -> NDArray[np.float64]:
    """Between the values of both, (...); 0 where one side has none.

    Args:
        reference, current: counts, (..., bins) as profiles.Bins orders them.
    """
    first, second = _shares(reference[..., UNSEEN:]), _shares(current[..., UNSEEN:])
    if ordered:
        gaps = np.abs(np.cumsum(first, axis=-1) - np.cumsum(second, axis=-1))
        return np.asarray(gaps.max(axis=-1))
    return np.asarray(np.abs(first - second).sum(axis=-1) / 2)


def missing_difference(reference: Histograms, current: Histograms) -> NDArray[np.float64]:
    """Between the shares of rows whose value is missing, (...)."""
    shares = [_shares(each)[..., MISSING] for each in (reference, current)]
    return np.abs(shares[0] - shares[1])


def _shares(counts: Histograms) -> NDArray[np.float64]:
    total = counts.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0))
