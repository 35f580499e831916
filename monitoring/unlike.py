"""Columns that came unlike any day before the window: in what share of rows, and in which mix."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.profiles import MISSING, UNSEEN, Bins
from contracts.schema import FeatureSchema
from monitoring.inputs import feature_bins, profile, typed_values
from monitoring.quality import find_faults

Rows = tuple[pd.DataFrame, NDArray[np.int64]]
Matrix = NDArray[np.float64]

LEAST_SHARE = 0.2  # of the rows must have values that the days before know, to speak of a mix
MOST_WEIGHT = 20.0  # of a row, so that no few of them decide


@dataclass(frozen=True)
class Unlike:
    """What came otherwise.

    Attributes:
        strange: column -> share of the window's rows with values that are missing, new, beyond the
            range of the days before, or all the same: not what another mix of rows would bring.
        weights: column -> of each row before the window, (n,), so that they have its mix.
    """

    strange: Mapping[str, float]
    weights: Mapping[str, Matrix]


def unlike_before(schema: FeatureSchema, past: Rows, window: Rows) -> Unlike:
    """Compare the window with each of the days before it, which know the season.

    Args:
        past, window: rows and the block (day) of each; a feature may be absent.
    """
    bins = feature_bins(past[0], schema)
    before, after = profile(bins, *past), profile(bins, *window)
    faults = find_faults(bins, before, after)
    stuck = {fault.column for fault in faults if fault.kind == "stuck"}
    strange, weights = {}, {}
    for one in bins:
        if one.name not in {fault.column for fault in faults}:
            continue
        first, second = (each.counts[one.name].sum(axis=0) for each in (before, after))
        strange[one.name] = 1.0 if one.name in stuck else _strange(one, first, second)
        if one.name in past[0]:
            weights[one.name] = _weights(one, typed_values(one, past[0]), first, second)
    return Unlike(strange, weights)


def _strange(one: Bins, before: NDArray[np.int64], after: NDArray[np.int64]) -> float:
    shares = [each / max(each.sum(), 1) for each in (before, after)]
    more = np.maximum(shares[1] - shares[0], 0)
    ends = [2, one.size - 1] if one.ordered else []
    return float(more[[MISSING, UNSEEN, *ends]].sum())


def _weights(
    one: Bins, values: object, before: NDArray[np.int64], after: NDArray[np.int64]
) -> Matrix:
    """As often as the window has each bin; all alike where it has hardly one of them."""
    places = one.places(values)
    known = before > 0
    if after[known].sum() < LEAST_SHARE * after.sum():
        return np.ones(len(places))
    ratio = np.divide(after / after[known].sum(), before / before.sum(),
                      out=np.zeros(one.size), where=known)  # fmt: skip
    return np.asarray(np.minimum(ratio, MOST_WEIGHT)[places])
