"""Profiles: how often each value came in each block of time. Any window is a sum of blocks.

Training fixes the bins and counts the reference; monitoring counts what is answered in the same
bins. A block is an hour or a day, or everything where rows are independent of each other.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

VALUE_BINS = 32
MAX_CATEGORIES = 200  # the rarer ones share the last bin
MISSING, UNSEEN = 0, 1  # places in every histogram
_FIRST = 2
OTHER = "(other)"

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Bins:
    """How one column is counted: missing, unseen in the reference, then its values.

    Attributes:
        cuts: of a numeric column, rising: a value is in bin i where cuts[i-1] < value <= cuts[i].
            Below `low` and above `high`, which the reference has seen, are bins of their own.
        categories: of a text column.
    """

    name: str
    ordered: bool
    cuts: tuple[float, ...] = ()
    low: float = -np.inf
    high: float = np.inf
    categories: tuple[str, ...] = ()
    _places: Mapping[Any, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places = {name: i + _FIRST for i, name in enumerate(self.categories)}
        object.__setattr__(self, "_places", _Places(places))

    @property
    def size(self) -> int:
        return _FIRST + (len(self.cuts) + 3 if self.ordered else len(self.categories))

    def places(self, values: Any) -> NDArray[np.intp]:
        """The bin of each value, (n,).

        Args:
            values: floats, NaN = missing; or texts, anything that is no text = missing.
        """
        if not self.ordered:
            return self._text_places(values)
        numbers = np.asarray(values, np.float64)
        # Below the lowest and above the highest are bins of their own: the order counts.
        found = np.searchsorted(np.asarray(self.cuts), numbers) + _FIRST + 1
        found[numbers < self.low] = _FIRST
        found[numbers > self.high] = self.size - 1
        found[np.isnan(numbers)] = MISSING
        return found

    def _text_places(self, values: Any) -> NDArray[np.intp]:
        try:
            return np.fromiter(map(self._places.__getitem__, values), np.intp, len(values))
        except TypeError:  # a list or the like, which is no text
            texts = [value if isinstance(value, str) else None for value in values]
            return self._text_places(texts)


class _Places(dict[Any, int]):
    """Where each category is counted; a lookup is most of the cost of a column of texts."""

    def __missing__(self, value: Any) -> int:
        return self.get(OTHER, UNSEEN) if isinstance(value, str) else MISSING


def numeric_bins(name: str, values: Any) -> Bins:
    """Bins of about equal counts; few different values get one each.

    Args:
        values: of the reference, floats, NaN = missing.
    """
    numbers = np.asarray(values, np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not numbers.size:
        return Bins(name, ordered=True)
    different = np.unique(numbers)
    if len(different) <= VALUE_BINS:
        cuts = different[:-1]
    else:
        shares = np.arange(1, VALUE_BINS) / VALUE_BINS
        cuts = np.unique(np.quantile(numbers, shares, method="inverted_cdf"))
        cuts = cuts[cuts < different[-1]]
    low, high = float(different[0]), float(different[-1])
    return Bins(name, ordered=True, cuts=tuple(map(float, cuts)), low=low, high=high)


def text_bins(name: str, values: Any) -> Bins:
    """A bin for each category, the most frequent MAX_CATEGORIES of them."""
    different = Counter(values)
    counts = {text: number for text, number in different.items() if isinstance(text, str)}
    if len(counts) <= MAX_CATEGORIES:
        return Bins(name, ordered=False, categories=tuple(sorted(counts)))
    by_count = sorted(counts, key=lambda text: (-counts[text], text))
    frequent = sorted(by_count[: MAX_CATEGORIES - 1])
    return Bins(name, ordered=False, categories=(*frequent, OTHER))


@dataclass(frozen=True)
class Profile:
    """Histograms of every column in every block.

    Attributes:
        blocks: (b,) int64, rising: each block's start, in its own unit since 1970.
        counts: name -> int64 (b, bins).
    """

    blocks: NDArray[np.int64]
    counts: Mapping[str, Counts]

    def only(self, places: NDArray[np.intp]) -> "Profile":
        """The blocks at these places."""
        return Profile(self.blocks[places], {n: c[places] for n, c in self.counts.items()})


def count(bins: Sequence[Bins], columns: Mapping[str, Any], blocks: Any) -> Profile:
    """Count the rows of named columns.

    Args:
        columns: each bin's name -> values of n rows; a column that is absent is all missing.
        blocks: (n,) integers, the block of each row.
    """
    starts, inverse = np.unique(np.asarray(blocks, np.int64), return_inverse=True)
    counts = {}
    for one in bins:
        if one.name in columns:
            places = one.places(columns[one.name])
        else:
            places = np.full(len(inverse), MISSING, np.intp)
        counts[one.name] = _histograms(one, places, inverse, len(starts))
    return Profile(starts, counts)


def add(profile: Profile, one: Bins, values: Any, blocks: Any) -> Profile:
    """The profile with one more column, which not every row need have.

    Args:
        values: of n rows, as Bins.places takes them.
        blocks: (n,) integers, the block of each row, one of the profile's.
    """
    at = np.searchsorted(profile.blocks, np.asarray(blocks, np.int64))
    found = _histograms(one, one.places(values), at, len(profile.blocks))
    return Profile(profile.blocks, {**profile.counts, one.name: found})


def _histograms(one: Bins, places: NDArray[np.intp], at: NDArray[np.intp], blocks: int) -> Counts:
    flat = np.bincount(at * one.size + places, minlength=blocks * one.size)
    return flat.reshape(blocks, one.size)
