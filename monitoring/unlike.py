"""Columns that came unlike any day before the window by what they show alone."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.profiles import MISSING, UNSEEN, Bins, Profile
from monitoring.inputs import profile
from monitoring.quality import find_faults

LEAST_SHARE = 0.02  # of the rows

Rows = tuple[pd.DataFrame, NDArray[np.int64]]


def unlike_before(bins: list[Bins], past: Rows, window: Rows) -> dict[str, float]:
    """Compare the window with each of the days before it, which know the season.

    Args:
        bins: of the days before.
        past, window: rows and the block (day) of each; a feature may be absent.

    Returns:
        Column -> share of the window's rows with values that are missing, new, beyond the range of
        the days before, or all the same: not what another mix of rows would bring.
    """
    before, after = profile(bins, *past), profile(bins, *window)
    faults = find_faults(bins, before, after)
    stuck = {fault.column for fault in faults if fault.kind == "stuck"}
    odd = {fault.column for fault in faults}
    shares = {
        one.name: 1.0 if one.name in stuck else _strange(one, before, after)
        for one in bins
        if one.name in odd
    }
    return {name: share for name, share in shares.items() if share >= LEAST_SHARE}


def _strange(one: Bins, before: Profile, after: Profile) -> float:
    counts = [each.counts[one.name].sum(axis=0) for each in (before, after)]
    shares = [each / max(each.sum(), 1) for each in counts]
    more = np.maximum(shares[1] - shares[0], 0)
    ends = [2, one.size - 1] if one.ordered else []
    return float(more[[MISSING, UNSEEN, *ends]].sum())
