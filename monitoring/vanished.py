"""Categories that have always come, and come no more."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from contracts.profiles import UNSEEN, Bins
from monitoring.plain_text import plain
from monitoring.quality import FACTOR, MIN_ROWS, Fault
from monitoring.runs import FEWEST_RUNS, Runs

HALF = 0.5  # of the rows that the worst run had; more is fewer, but not gone
_NOISE = 3.5  # standard deviations of a count, the largest of many

Values = NDArray[np.float64]


def vanished(one: Bins, before: Values, after: Values, runs: Runs) -> Iterator[Fault]:
    """A fault for each category that is rarer than in every run, by more than chance and a half.

    Args:
        before: counts of the reference, (blocks, bins); after: of the window, (bins,).
    """
    rows, each = after[UNSEEN:].sum(), runs.sums(before)[:, UNSEEN:]  # missing ones are told apart
    full = each.sum(axis=1) >= MIN_ROWS
    runs, each = runs.only(full), each[full]
    if rows < MIN_ROWS or len(runs) < FEWEST_RUNS:
        return
    shares = (each / each.sum(axis=1, keepdims=True))[:, 1:]
    found, least = after[UNSEEN + 1 :] / rows, shares.min(axis=0)
    usual = np.maximum((-runs.highest_apart(-shares) - shares).max(axis=0), 0)
    below = least - found - _NOISE * np.sqrt(least / rows) - FACTOR * usual
    for place in np.flatnonzero((below > 0) & (found < HALF * least)):
        name = plain(one.categories[place])
        yield Fault(one.name, "vanished", float(found[place]), float(least[place]), name)
