"""How sure a figure over rows of several days is, when rows of one day resemble each other."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

MOST_BLOCKS = 40  # each costs the statistic once more; so many days or runs of days are enough

Interval = tuple[float, float]


def jackknife_days(
    statistic: Callable[[NDArray[np.bool_]], float | None],
    days: NDArray[np.generic],
    coverage: float = 0.95,
) -> Interval | None:
    """An interval by leaving out one day after the other (Tukey 1958; Efron and Stein 1981).

    Args:
        statistic: of the rows where the mask is true; None = cannot be said of them.
        days: of each row.

    Returns:
        Low and high; None with fewer than two days, or where leaving one out says nothing.
    """
    names, numbers = np.unique(days, return_inverse=True)
    blocks = min(len(names), MOST_BLOCKS)
    if blocks < 2:
        return None
    numbers = numbers * blocks // len(names)
    parts = [statistic(numbers != block) for block in range(blocks)]
    whole = statistic(np.ones(len(days), bool))
    known = np.array([part for part in parts if part is not None])
    if whole is None or len(known) < blocks:
        return None
    error = np.sqrt((blocks - 1) / blocks * ((known - known.mean()) ** 2).sum())
    reach = float(stats.t.ppf((1 + coverage) / 2, blocks - 1) * error)
    return float(whole) - reach, float(whole) + reach
