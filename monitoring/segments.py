"""Which segments a challenger clearly hurts, although it may save loss on the whole. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from contracts.monitoring_params import Gate
from monitoring.performance import t_over_days


@dataclass(frozen=True)
class Segment:
    """Rows of one category of one column; `cost` is the loss a row that the challenger adds.

    Attributes:
        share: of the judged rows.
        t: of the daily cost, over days.
    """

    column: str
    category: str
    rows: int
    share: float
    days: int
    cost: float
    t: float


def hurt_segments(
    categories: pd.DataFrame,
    days: NDArray[np.datetime64],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    gate: Gate,
) -> list[Segment]:
    """Segments that cost more than the margin, and clearly more than nothing; the worst first.

    Clearly: by a one-sided t-test over days at `gate.segments.level`, divided by the number of
    segments that were looked at (Bonferroni), so that many segments do not refuse by chance.

    Args:
        categories: (n, columns) texts, None = missing.
        days: (n,)
        before, after: (n,) loss of each row, by champion and challenger.
    """
    if gate.segments is None:
        return []
    looked_at = list(_segments(categories, days, after - before, gate))
    level = gate.segments.level / max(len(looked_at), 1)
    usual = before.mean()
    found = [
        segment
        for segment in looked_at
        if segment.cost > gate.segments.max_cost * usual
        and stats.t.sf(segment.t, segment.days - 1) < level
    ]
    return sorted(found, key=lambda segment: -segment.cost * segment.share)


def _segments(
    categories: pd.DataFrame, days: NDArray[np.datetime64], costs: NDArray[np.float64], gate: Gate
) -> Iterator[Segment]:
    """Those with enough rows and days."""
    least = gate.segments.min_share if gate.segments else 1.0
    for column in categories:
        shares = categories[column].value_counts(normalize=True)
        for category, share in shares[shares >= least].items():
            inside = (categories[column] == category).to_numpy()
            daily = pd.Series(costs[inside]).groupby(days[inside]).mean()
            if len(daily) < gate.min_days:
                continue
            t = t_over_days(daily)
            cost = float(daily.mean())
            sure = float(np.copysign(np.inf, cost)) if cost else 0.0  # the same every day
            yield Segment(str(column), str(category), int(inside.sum()), float(share),
                          len(daily), cost, sure if t is None else t)  # fmt: skip
