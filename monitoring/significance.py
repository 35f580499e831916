"""Which columns have changed, at a false-alarm rate that holds for the window as a whole.

Each column's distance from the reference is compared with those of windows without a change
(resampling.py). The alarm looks at the most surprising column of each such window, so that columns
which move together are not counted twice (Westfall and Young 1993); the list of changed columns
has a false discovery rate (Benjamini and Hochberg 1995).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.profiles import Bins, Profile
from monitoring.divergence import Aspect, distance, missing_difference
from monitoring.resampling import (
    Dealt,
    deal_blocks,
    deal_rows,
    distinct_windows,
    run_length,
    sum_blocks,
)

ASPECTS: tuple[Aspect, ...] = ("values", "missing")
DRAWS = 10_000
DAYS_ALIKE = 5  # at most: weather lasts so long
_AT_ONCE = 1000  # draws, for the sake of memory
# Beyond this share of the draws a distribution is extrapolated.
TAIL = 0.05
_SURE = 1.96  # standard errors that the draws' own error is given

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Compared:
    """What was compared of one column.

    Attributes:
        effect: the distance, a share of rows, 0 to 1.
        usual: the distance that one window in twenty without a change exceeds.
        surprise: -log of the p-value; beyond the draws an extrapolation, for ranking.
    """

    column: str
    aspect: Aspect
    effect: float
    usual: float
    surprise: float


@dataclass(frozen=True)
class Significance:
    """All columns together.

    Attributes:
        p: of the most surprising column, for the window as a whole, no less than the draws can
            vouch for; None = there is nothing to compare, or too little to judge it.
        smallest: p that so many blocks, or draws, can show: no rate below it can be promised.
        compared: the most surprising first.
    """

    p: float | None
    smallest: float
    compared: Sequence[Compared]


def judge(
    bins: Sequence[Bins],
    reference: Profile,
    window: Profile,
    generator: np.random.Generator,
    *,
    independent_rows: bool = False,
    most_run: int = DAYS_ALIKE,
    draws: int = DRAWS,
) -> Significance:
    """Compare a window with the reference.

    Args:
        bins: of the columns to compare.
        independent_rows: whether blocks do not matter.
        most_run: neighbouring blocks that resemble each other, at most.
        draws: windows without a change.
    """
    blocks, size = len(reference.blocks) + len(window.blocks), len(window.blocks)
    if not size or size == blocks or not bins:
        return Significance(None, 1.0, [])
    length = 1 if independent_rows else run_length(reference.blocks, window.blocks, most_run)
    if length is None:
        return Significance(None, 1.0, [])
    usual: list[list[Values]] = []
    for start in range(0, draws, _AT_ONCE):
        number = min(_AT_ONCE, draws - start)
        dealt = None if independent_rows else deal_blocks(blocks, size, length, number, generator)
        usual.append([
            each for one in bins
            for each in _distances(one, _deal(one, reference, window, dealt, number, generator))
        ])  # fmt: skip
    scales = [_Scale.of(np.concatenate(parts)) for parts in zip(*usual, strict=True)]
    effects = [
        float(each[0])
        for one in bins
        for each in _distances(one, Dealt(_sum(reference, one), _sum(window, one)))
    ]
    surprises = [scale.surprise(effect) for scale, effect in zip(scales, effects, strict=True)]
    largest = np.max([scale.surprises for scale in scales], axis=0)
    names = [(one.name, aspect) for one in bins for aspect in ASPECTS]
    compared = [
        Compared(*name, effect, scale.start, float(surprise))
        for name, effect, scale, surprise in zip(names, effects, scales, surprises, strict=True)
    ]
    ways = draws if independent_rows else min(draws, distinct_windows(blocks, size, length))
    return Significance(
        _p_of(float(max(surprises)), largest), 1 / ways, sorted(compared, key=_by_surprise)
    )


def changed(compared: Sequence[Compared], rate: float, least_effect: float) -> list[Compared]:
    """The columns that have changed by `least_effect` or more.

    Args:
        compared: the most surprising first.
        rate: expected share of false ones in the list.
    """
    number = len(compared)
    limits = [np.log(number / (rate * (i + 1))) for i in range(number)]
    beyond = [i for i, each in enumerate(compared) if each.surprise >= limits[i]]
    listed = compared[: beyond[-1] + 1] if beyond else []
    return [each for each in listed if each.effect >= least_effect]


def _by_surprise(one: Compared) -> tuple[float, float]:
    return -one.surprise, -one.effect


def _sum(profile: Profile, one: Bins) -> Values:
    counts = profile.counts[one.name].astype(float)
    return np.asarray(counts.sum(axis=0, keepdims=True))


def _deal(
    one: Bins,
    reference: Profile,
    window: Profile,
    dealt: NDArray[np.bool_] | None,
    draws: int,
    generator: np.random.Generator,
) -> Dealt:
    both = np.concatenate([reference.counts[one.name], window.counts[one.name]]).astype(float)
    rows = int(window.counts[one.name].sum())
    if dealt is None:
        return deal_rows(both.sum(axis=0), rows, draws, generator)
    return sum_blocks(both, dealt, rows, generator)


def _distances(one: Bins, dealt: Dealt) -> tuple[Values, Values]:
    """In the order of ASPECTS."""
    return (
        distance(dealt.reference, dealt.window, ordered=one.ordered),
        missing_difference(dealt.reference, dealt.window),
    )


def _p_of(surprise: float, largest: Values) -> float:
    number = len(largest)
    p = (1 + float((largest >= surprise - 1e-9).sum())) / (1 + number)
    return min(1.0, p + _SURE * float(np.sqrt(p * (1 - p) / number)))


@dataclass(frozen=True)
class _Scale:
    """From a distance to -log of its p-value: by rank, and in the tail by an exponential."""

    usual: Values  # distances without a change, as drawn
    ranked: Values  # the same, rising
    start: float  # of the tail
    slope: float  # mean excess in it

    @classmethod
    def of(cls, usual: Values) -> "_Scale":
        ranked = np.sort(usual)
        start = float(np.quantile(ranked, 1 - TAIL))
        beyond = ranked[ranked > start] - start
        return cls(usual, ranked, start, max(float(beyond.mean()) if len(beyond) else 0.0, 1e-6))

    @property
    def surprises(self) -> Values:
        return np.asarray(self.surprise(self.usual))

    def surprise(self, distances: Values | float) -> Values:
        number = len(self.ranked)
        as_far = number - np.searchsorted(self.ranked, distances, side="left")
        by_rank = -np.log((as_far + 1) / (number + 1))
        in_tail = -np.log(TAIL) + (np.asarray(distances) - self.start) / self.slope
        return np.where(np.asarray(distances) > self.start, in_tail, by_rank)
