"""How closely columns hang together, and how much of that a window's rows still show.

Which columns do, the reference says: by the log of how much oftener two values come together than
apart (pointwise mutual information; Church and Hanks 1990). Of a window it is asked how much of a
relation its rows have: 1 where they are paired as the reference's are, 0 where they are paired
anyhow, below 0 where against it. The shares of the values may change as they like.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.profiles import UNSEEN, Bins
from monitoring.quality import MIN_ROWS

MOST_COLUMNS = 64  # the first ones are looked at; pairs grow with the square
MOST_ROWS = 5000  # that choose the pairs
PARTNERS = 3  # the closest of each column
LEAST_WORTH = 0.15  # of a pair, in nats
GROUPS, CATEGORIES = 12, 24  # of a column's values
_SMOOTH = 10.0  # rows that are paired anyhow, added
_MOST_SCORE = 3.0  # a single row may not decide
_STRETCH = 7  # days: neighbours are alike, so halves take turns by weeks

Values = NDArray[np.float64]
Codes = NDArray[np.intp]
Pair = tuple[str, str]


@dataclass(frozen=True)
class Coded:
    """Rows as groups of values, -1 = missing or unseen.

    Attributes:
        codes: name -> (n,).
        at: (n,) place of each row's block.
        blocks: how many there are.
        sizes: name -> how many groups there can be.
    """

    codes: Mapping[str, Codes]
    at: Codes
    blocks: int
    sizes: Mapping[str, int]

    def joint(self, pair: Pair) -> Values:
        """How often two groups came together in each block, (blocks, groups, groups)."""
        first, second = (self.codes[name] for name in pair)
        both = (first >= 0) & (second >= 0)
        shape = (self.blocks, *(self.sizes[name] for name in pair))
        flat = np.ravel_multi_index((self.at[both], first[both], second[both]), shape)
        return np.bincount(flat, minlength=int(np.prod(shape))).reshape(shape).astype(float)


@dataclass(frozen=True)
class Left:
    """What is left of relations, (...) each.

    Attributes:
        held: what the pairing of the rows is worth, in nats, beyond that of any pairing.
        expected: the same, were the rows paired as the others are.
        error: standard error of `held`.
    """

    held: Values
    expected: Values
    error: Values


def group_values(one: Bins, counts: Values) -> Codes:
    """The group of each of the column's bins, (bins,), -1 = none: about equal, or the largest."""
    groups = np.full(one.size, -1, np.intp)
    values = counts[UNSEEN + 1 :]
    if one.ordered:
        middle = (np.cumsum(values) - values / 2) / max(values.sum(), 1)
        groups[UNSEEN + 1 :] = np.minimum(GROUPS * middle, GROUPS - 1)
    else:
        rank = np.argsort(np.argsort(-values, kind="stable"), kind="stable")
        groups[UNSEEN + 1 :] = np.minimum(rank, CATEGORIES - 1)
    return groups


def choose_pairs(rows: Coded) -> list[Pair]:
    """Each column's closest partners, as far as both halves of the reference agree."""
    names = list(rows.codes)
    some = slice(None, None, max(1, len(rows.at) // MOST_ROWS))
    ends = np.cumsum([0, *(rows.sizes[name] for name in names)])
    hot = np.zeros((len(rows.at[some]), ends[-1]), np.float32)
    for start, name in zip(ends, names, strict=False):
        codes = rows.codes[name][some]
        hot[np.flatnonzero(codes >= 0), start + codes[codes >= 0]] = 1
    half = (rows.at[some] // _STRETCH) % 2 == 0
    tables = [(hot[each].T @ hot[each]).astype(float) for each in (half, ~half)]
    worth: dict[Pair, float] = {}
    for i, first in enumerate(names):
        for j, second in enumerate(names[:i]):
            part = np.s_[ends[i] : ends[i + 1], ends[j] : ends[j + 1]]
            worth[first, second] = _worth(tables[0][part], tables[1][part])
    return sorted({pair for name in names for pair in _closest(name, worth)})


def _closest(name: str, worth: Mapping[Pair, float]) -> list[Pair]:
    pairs = [pair for pair, each in worth.items() if name in pair and each >= LEAST_WORTH]
    return sorted(pairs, key=lambda pair: -worth[pair])[:PARTNERS]


def _worth(first: Values, second: Values) -> float:
    """Of a relation that one half of the rows has, on the other half: the lesser of both ways."""
    if min(first.sum(), second.sum()) < MIN_ROWS:
        return 0.0
    return float(min(what_is_left(first, second).held, what_is_left(second, first).held))


def what_is_left(rows: Values, others: Values) -> Left:
    """How much of the others' relation the rows have.

    Args:
        rows, others: how often two groups came together, (..., groups, groups).
    """
    totals = others.sum(axis=(-2, -1), keepdims=True)
    one, two = (_shares(others.sum(axis=axis, keepdims=True), totals) for axis in (-1, -2))
    paired = _shares(others + _SMOOTH * one * two, totals + _SMOOTH)
    ratio = _shares(paired, one * two)
    scores = np.clip(np.log(np.where(ratio > 0, ratio, 1.0)), -_MOST_SCORE, _MOST_SCORE)
    size = rows.sum(axis=(-2, -1))
    found = _shares(rows, size[..., None, None])
    first, second = (found.sum(axis=axis, keepdims=True) for axis in (-1, -2))
    mean = (found * scores).sum(axis=(-2, -1))
    variance = np.maximum((found * scores**2).sum(axis=(-2, -1)) - mean**2, 0)
    ways = (first * _shares(paired, one), second * _shares(paired, two))
    expected = np.minimum(*(_beyond_any(each, scores) for each in ways))
    return Left(_beyond_any(found, scores), expected, np.sqrt(_shares(variance, size)))


def _beyond_any(paired: Values, scores: Values) -> Values:
    first, second = (paired.sum(axis=axis, keepdims=True) for axis in (-1, -2))
    anyhow = _shares(first * second, paired.sum(axis=(-2, -1), keepdims=True))
    return np.asarray(((paired - anyhow) * scores).sum(axis=(-2, -1)))


def _shares(some: Values, whole: Values) -> Values:
    shape = np.broadcast_shapes(some.shape, whole.shape)
    return np.asarray(np.divide(some, whole, out=np.zeros(shape), where=whole > 0))
