"""Bootstrap intervals: how far a measure would move if other rows had been held out."""

from collections.abc import Callable

import numpy as np
from scipy.stats import norm, t
from tqdm import tqdm

from pipeline.evaluation.holdout import Floats, Integers

Statistic = Callable[[Floats], dict[str, float]]

CONFIDENCE = 0.95
FEW_BLOCKS = 1000  # so few are all kept when rows are sampled


def bootstrap(
    statistic: Statistic, blocks: Integers, resamples: int, rng: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """The 95 % percentile interval of each measure over resampled blocks.

    Percentiles lie a little further out than 2.5 and 97.5 when blocks are few (the expanded
    percentile interval: Hesterberg, "What Teachers Should Know About the Bootstrap", The American
    Statistician, 2015).

    Args:
        statistic: from the weight of each row, float64 (n,), to measures; NaN = undefined.
        blocks: (n,) from 0 without gaps; a block is drawn whole.

    Returns:
        Low and high of each measure; without those that no resample defines, and none at all when
        there is only one block.
    """
    count = int(blocks.max()) + 1
    if count < 2:
        return {}
    draws = [
        statistic(np.bincount(rng.integers(0, count, count), minlength=count)[blocks].astype(float))
        for _ in tqdm(range(resamples), "bootstrap", unit="resample")
    ]
    tail = norm.cdf(t.ppf((1 - CONFIDENCE) / 2, count - 1) * np.sqrt(count / (count - 1)))
    found: dict[str, tuple[float, float]] = {}
    for name in draws[0]:
        values = np.array([draw[name] for draw in draws])
        values = values[~np.isnan(values)]
        if len(values):
            low, high = np.quantile(values, [tail, 1 - tail])
            found[name] = float(low), float(high)
    return found


def sample_rows(blocks: Integers, limit: int, rng: np.random.Generator) -> Integers:
    """About `limit` rows, sorted: of every block where blocks are few, whole blocks otherwise."""
    rows = len(blocks)
    if rows <= limit:
        return np.arange(rows)
    count = int(blocks.max()) + 1
    if count <= FEW_BLOCKS:
        return np.sort(rng.permutation(rows)[:limit])
    kept = np.zeros(count, bool)
    kept[rng.permutation(count)[: max(2, count * limit // rows)]] = True
    return np.flatnonzero(kept[blocks])
