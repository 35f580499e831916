"""Faults of single values, which a column's bins are too wide to show.

Rounding, a default that stands in, a sensor that holds its last value, a bound that holds no more:
the bins' shares may all be usual. So exact values are counted by a hash of them, and by what they
are multiples of, block by block: histograms of fixed size. A window is compared with the
reference's worst run of as many blocks.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from monitoring.quality import FACTOR, MIN_ROWS, Fault, Kind
from monitoring.runs import FEWEST_RUNS, Runs

BUCKETS = 512
UNITS = (0.001, 0.01, 0.1, 1.0, 5.0, 10.0, 15.0, 30.0, 60.0, 100.0, 1000.0)
UNKNOWN_MARGIN, BEYOND_MARGIN = 0.1, 0.01
# By what a share exceeds that of all runs: times what one of them exceeds the others, and more.
_LIMITS: dict[Kind, tuple[float, float]] = {"repeated": (2.0, 0.03), "rounded": (FACTOR, 0.15)}
BOUND_SHARE = 0.1  # of the blocks reach a bound; the highest value of a single day is none
INNER = 0.02  # beyond these quantiles even values that are usual are rare
LEAST_EMPTY = 0.3  # of the buckets: a column whose values fill more has no known values
HALF = 0.5  # of the values that a run usually has; fewer are no fair sample
_NOISE = 3.5  # standard deviations: by so much the largest of all buckets may be off
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(64 - 9)  # leaves a number below BUCKETS

Values = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True)
class Numbers:
    """A column's values, each different one looked at once.

    Attributes:
        values: (d,) different ones, finite.
        which: (n,) place of each row's value, -1 = missing.
        at: (n,) place of each row's block.
        blocks: how many there are.
    """

    values: Values
    which: Places
    at: Places
    blocks: int

    @classmethod
    def of(cls, column: Values, at: Places, blocks: int) -> "Numbers":
        """Count a column, NaN = missing."""
        which, values = pd.factorize(np.where(np.isfinite(column), column, np.nan))
        return cls(np.asarray(values, float), which.astype(np.intp), at, blocks)

    def rows(self) -> Values:
        """Of each block, with a value and with none, (blocks, 2)."""
        return self._sum((self.which < 0).astype(np.intp), 2, np.ones(len(self.which), bool))

    def counted(self, places: Places, size: int) -> Values:
        """How often each place came in each block, (blocks, size).

        Args:
            places: of each different value, (d,), -1 = of no interest.
        """
        known = np.append(places, -1)[self.which]
        return self._sum(known, size, known >= 0)

    def _sum(self, places: Places, size: int, kept: NDArray[np.bool_]) -> Values:
        flat = np.bincount(self.at[kept] * size + places[kept], minlength=self.blocks * size)
        return flat.reshape(self.blocks, size).astype(float)


def value_faults(name: str, before: Numbers, after: Numbers, runs: Runs) -> Iterator[Fault]:
    """Faults of a numeric column in a window, taken as one block.

    Args:
        runs: of the reference.
    """
    rows, found = runs.sums(before.rows()), after.rows().sum(axis=0)
    present = rows[:, 0] / np.maximum(rows.sum(axis=1), 1)
    least = HALF * float(np.median(present)) if len(present) else 1.0
    fair = (rows[:, 0] >= MIN_ROWS) & (present >= least)
    runs, totals = runs.only(fair), rows[fair, :1]
    if found[0] < max(MIN_ROWS, least * found.sum()) or len(runs) < FEWEST_RUNS:
        return
    yield from _beyond(name, before, after)
    yield from _unknown(name, before, after)
    for kind, count in _COUNTS.items():
        shares = runs.sums(count(before, before)) / totals
        now = count(after, before).sum(axis=0) / found[0]
        yield from _more(name, kind, shares, now, int(found[0]), runs)


def _more(
    name: str, kind: Kind, shares: Values, found: Values, rows: int, runs: Runs
) -> Iterator[Fault]:
    """A share that is higher than in every run, by more than one run exceeds the others.

    Args:
        shares: of each run, (r, k).
        found: of the window, (k,).
    """
    usual = max(0.0, float((shares - runs.highest_apart(shares)).max()))
    highest = shares.max(axis=0)
    noise = _NOISE * np.sqrt(np.maximum(highest * (1 - highest), 1 / rows) / rows)
    above = found - highest - noise
    place = int(above.argmax())
    factor, margin = _LIMITS[kind]
    if above[place] > factor * usual + margin:
        yield Fault(name, kind, float(found[place]), float(highest[place]))


def _unknown(name: str, before: Numbers, after: Numbers) -> Iterator[Fault]:
    """Values that the reference never had, between those that it often had."""
    low, high = np.quantile(before.values[before.which[before.which >= 0]], [INNER, 1 - INNER])
    counts = before.counted(_within(before.values, low, high), BUCKETS)
    empty = counts.sum(axis=0) == 0
    if empty.mean() < LEAST_EMPTY:
        return
    rows = np.maximum(before.rows()[:, 0], MIN_ROWS)
    alone = counts * ((counts > 0).sum(axis=0) == 1)  # unseen, had its block not been there
    usual = float(np.sort(alone.sum(axis=1) / rows)[-2])
    number = float(after.rows()[:, 0].sum())
    inside = after.counted(_within(after.values, low, high), BUCKETS).sum(axis=0)
    found = float(inside[empty].sum() / number)
    noise = _NOISE * np.sqrt(max(usual, 1 / number) / number)
    if found > 2 * usual + UNKNOWN_MARGIN + noise:
        yield Fault(name, "unseen", found, usual)


def _beyond(name: str, before: Numbers, after: Numbers) -> Iterator[Fault]:
    """Values beyond a bound that many blocks reach and none passes."""
    for sign in (1, -1) if len(before.values) > 1 else ():
        bound = (sign * before.values).max()
        reached = before.counted(np.where(sign * before.values == bound, 0, -1), 1)
        if not _is_bound(np.flatnonzero(reached), before.blocks):
            continue
        outside = sign * after.values > bound + 1e-6 * abs(bound)
        number = after.counted(np.where(outside, 0, -1), 1).sum()
        found = float(number / after.rows()[:, 0].sum())
        if found > BEYOND_MARGIN:
            yield Fault(name, "beyond", found, 0.0)


def _is_bound(reached: Places, blocks: int) -> bool:
    """Whether many blocks reach it, early ones and late ones: what only grows has no bound yet."""
    if len(reached) < BOUND_SHARE * blocks:
        return False
    return bool(reached[0] < blocks / 3 and reached[-1] >= 2 * blocks / 3)


def _within(values: Values, low: float, high: float) -> Places:
    return np.where((values >= low) & (values <= high), _buckets(values), -1)


def _by_value(rows: Numbers, reference: Numbers) -> Values:
    """Rows of each bucket, (blocks, BUCKETS); a value beyond all of the reference has no usual."""
    low, high = reference.values.min(), reference.values.max()
    return rows.counted(_within(rows.values, low, high), BUCKETS)


def _by_unit(rows: Numbers, _: Numbers) -> Values:
    """Rows that are multiples of each unit, (blocks, units), as far as 32 bits say."""
    with np.errstate(over="ignore", invalid="ignore"):  # beyond floats nothing is a multiple
        times = rows.values / np.array(UNITS)[:, None]
        whole = np.abs(times - np.rint(times)) <= 1e-9 + 3e-7 * np.abs(times)
    return np.hstack([rows.counted(np.where(each, 0, -1), 1) for each in whole])


def _buckets(values: Values) -> Places:
    """A bucket of each value, as exact as 32 bits: the reference may hold no more."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32) + np.float32(0)  # -0 is 0
        mixed = single.view(np.uint32).astype(np.uint64) * _MULTIPLIER
    return (mixed >> _SHIFT).astype(np.intp)


_COUNTS: dict[Kind, Callable[[Numbers, Numbers], Values]] = {
    "repeated": _by_value,
    "rounded": _by_unit,
}
