"""Columns that came unlike any day before the window, by how large a share of its rows."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.profiles import MISSING, UNSEEN, Bins, Profile
from contracts.schema import FeatureSchema
from monitoring.divergence import distance
from monitoring.inputs import feature_bins, profile
from monitoring.quality import find_faults


def unlike_before(
    schema: FeatureSchema,
    past: tuple[pd.DataFrame, NDArray[np.int64]],
    window: tuple[pd.DataFrame, NDArray[np.int64]],
) -> dict[str, float]:
    """Compare the window with each of the days before it, which know the season.

    Args:
        past, window: rows and the block (day) of each; a feature may be absent.

    Returns:
        Column -> share of the window's rows that came otherwise.
    """
    bins = feature_bins(past[0], schema)
    before, after = profile(bins, *past), profile(bins, *window)
    faulty = {fault.column for fault in find_faults(bins, before, after)}
    return {one.name: _share(one, before, after) for one in bins if one.name in faulty}


def _share(one: Bins, before: Profile, after: Profile) -> float:
    first, second = (each.counts[one.name].astype(float).sum(axis=0) for each in (before, after))
    lost = [each[[MISSING, UNSEEN]].sum() / each.sum() for each in (first, second)]
    values = float(distance(first, second, ordered=one.ordered))
    return min(1.0, max(values, float(lost[1] - lost[0])))
