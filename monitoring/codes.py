"""Codes that came under another name: which of the old ones a code's rows resemble.

All rows of one code are judged together, by how often their other columns' values came beside each
old code (naive Bayes). So a renamed code is known again, and two that were mixed up.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.profiles import Bins
from monitoring.inputs import typed_values

MOST_CODES = 200
FEWEST_ROWS = 20  # of a code, to say anything of it
# An old code is another one's only if its rows fit that better by this much log-likelihood a row.
LEAST_GAIN = 1.0
_SMOOTHED = 20.0  # rows of all codes together that each code is given
_NEVER = 1e-4  # rows that each bin is given

Matrix = NDArray[np.float64]


def known_again(
    name: str, bins: Sequence[Bins], past: pd.DataFrame, window: pd.DataFrame
) -> dict[str, str]:
    """Codes of the window that stand for others.

    Args:
        name: of a column of categories.
        bins: of the columns to compare, `name` not among them, that are themselves in order.

    Returns:
        Code -> the old code that it stands for; those that stand for themselves are left out.
    """
    if name not in past or name not in window:
        return {}
    old, new = _frequent(past[name]), _frequent(window[name])
    if not old or not new:
        return {}
    fits = _fits(bins, _coded(past, name, old), _coded(window, name, new), len(old), len(new))
    place = {code: i for i, code in enumerate(old)}
    seen = {value for value in past[name] if isinstance(value, str)}
    found = {}
    for fit, code in zip(fits, new, strict=True):
        best = int(fit.argmax())
        if code in place:
            moved = fit[best] - fit[place[code]] >= LEAST_GAIN
        else:
            moved = code not in seen and fit[best] - fit.mean() >= LEAST_GAIN
        if moved and old[best] != code:
            found[code] = old[best]
    return found


def _frequent(values: pd.Series) -> list[str]:
    texts = values[[isinstance(value, str) for value in values]].value_counts()
    return [str(code) for code in texts.index[texts >= FEWEST_ROWS][:MOST_CODES]]


def _coded(
    rows: pd.DataFrame, name: str, codes: Sequence[str]
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    place: Mapping[object, int] = {code: i for i, code in enumerate(codes)}
    at = np.array([place.get(v, -1) if isinstance(v, str) else -1 for v in rows[name]])
    return rows[at >= 0], at[at >= 0]


def _fits(
    bins: Sequence[Bins],
    past: tuple[pd.DataFrame, NDArray[np.int64]],
    window: tuple[pd.DataFrame, NDArray[np.int64]],
    old: int,
    new: int,
) -> Matrix:
    """Mean log-likelihood of each new code's rows under each old code, (new, old)."""
    total = np.zeros((new, old))
    for one in bins:
        if one.name not in past[0] or one.name not in window[0]:
            continue
        before = _counts(one, *past, old)
        share = before.sum(axis=0) / max(before.sum(), 1)
        given = _SMOOTHED * (share + _NEVER)
        chances = (before + given) / (before + given).sum(axis=1, keepdims=True)
        known = share > 0  # what no code ever had speaks for none
        total += _counts(one, *window, new)[:, known] @ np.log(chances[:, known]).T
    return np.asarray(total / np.bincount(window[1], minlength=new)[:, None])


def _counts(one: Bins, rows: pd.DataFrame, at: NDArray[np.int64], codes: int) -> Matrix:
    places = one.places(typed_values(one, rows))
    flat = np.bincount(at * one.size + places, minlength=codes * one.size)
    return np.asarray(flat.reshape(codes, one.size), float)
