"""Faults of the data that one block shows: no test, but a comparison with the worst of the past.

A unit that changed, a code that is new, a feed that is down: such a block is unlike every block of
the reference by a margin. A single block is too little for a p-value (one of ninety is one of
ninety); whether a block exceeds all of them by so much needs none. What is found here must never
be learned.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from contracts.profiles import MISSING, UNSEEN, Bins, Profile
from monitoring.divergence import distance

Kind = Literal[
    "missing", "unseen", "stuck", "unlike", "beyond", "repeated", "rounded", "vanished", "relation"
]

# A fault is beyond the reference's worst block by this factor, and a margin. Of missing and unseen
# shares it is the second worst: one block may have had an outage of its own.
FACTOR = 1.35
MISSING_MARGIN = 0.005
LEAST_MISSING = 0.01  # fewer rows move neither answers nor what is learned from them
UNSEEN_MARGIN = 0.01
LEAST_DISTANCE = 0.1
STUCK_BINS = 4  # a column that always has fewer different values may well have one for a day
MIN_ROWS = 100
_ALIKE = 0.01  # shares that differ by this are much the same
_NOISE = 1.36  # of Kolmogorov and Smirnov's distance at 5 %, over the root of the rows

Shares = NDArray[np.float64]


@dataclass(frozen=True)
class Fault:
    """One fault of one column.

    Attributes:
        found: share of rows that are missing or unseen, or the distance from the reference.
        usual: the same of the worst block of the reference that counts.
        what: the category, or the other column, that it is about, as it is told.
    """

    column: str
    kind: Kind
    found: float
    usual: float
    what: str = ""

    @property
    def changed(self) -> float:
        """Share of rows that it is about."""
        return self.usual - self.found if self.kind == "vanished" else self.found

    @property
    def gravity(self) -> float:
        """How many times as bad as the worst that was usual; small shares are about alike."""
        low, high = sorted((self.found, self.usual))
        return (high + _ALIKE) / (low + _ALIKE)

    def __str__(self) -> str:
        return _SENTENCES[self.kind].format(self.column, self.found, self.usual, self.what)


_SENTENCES: dict[Kind, str] = {
    "missing": "{0}: {1:.1%} of the values are missing; in training at most {2:.1%} of a block",
    "unseen": "{0}: {1:.1%} of the values were never seen in training; usual are {2:.1%}",
    "stuck": "{0}: every value is the same, which no block of the reference has",
    "unlike": "{0}: its values are {1:.2f} away from the reference, no block more than {2:.2f}; "
    "a changed unit, scale or meaning?",
    "beyond": "{0}: {1:.1%} of the values are beyond a bound that training often reached and never "
    "passed",
    "repeated": "{0}: one value has {1:.1%} of the rows, in training at most {2:.1%} of so many "
    "blocks; stuck, or a default that stands in?",
    "rounded": "{0}: {1:.1%} of the values are multiples of one unit, in training at most {2:.1%} "
    "of so many blocks; rounded?",
    "vanished": "{0}: {3} has {1:.1%} of the rows, in training at least {2:.1%} of so many blocks",
    "relation": "{0}: its values no longer go with those of {3}; {1:.0%} of their relation is "
    "lost, in training at most {2:.0%}",
}


def find_faults(bins: Sequence[Bins], reference: Profile, current: Profile) -> list[Fault]:
    """Faults of what is in `current`, taken as one block; the gravest first.

    Too few rows (MIN_ROWS) or reference blocks (2) have no faults: nothing can be said.
    """
    found = [fault for one in bins for fault in _faults(one, reference, current)]
    return sorted(found, key=lambda fault: -fault.gravity)


def _faults(one: Bins, reference: Profile, current: Profile) -> Iterator[Fault]:
    before = reference.counts[one.name].astype(float)
    after = current.counts[one.name].astype(float).sum(axis=0)
    rows = after.sum()
    before = before[before.sum(axis=1) >= MIN_ROWS]
    if rows < MIN_ROWS or len(before) < 2:
        return
    missing, usual = after[MISSING] / rows, _second(before[:, MISSING] / before.sum(axis=1))
    if missing > max(LEAST_MISSING, FACTOR * usual + MISSING_MARGIN):
        yield Fault(one.name, "missing", float(missing), usual)
    unseen, usual = after[UNSEEN] / rows, _second(_unseen_alone(before))
    if unseen > FACTOR * usual + UNSEEN_MARGIN:
        yield Fault(one.name, "unseen", float(unseen), usual)
    if missing == 1:
        return
    fewest = np.count_nonzero(before[:, UNSEEN:], axis=1).min()
    if np.count_nonzero(after[UNSEEN:]) == 1 and fewest >= STUCK_BINS:
        yield Fault(one.name, "stuck", 1.0, 0.0)
    total = before.sum(axis=0)
    away = float(distance(total, after, ordered=one.ordered))
    usual = float(distance(total - before, before, ordered=one.ordered).max())
    if away > max(LEAST_DISTANCE, FACTOR * usual + _NOISE / np.sqrt(rows)):
        yield Fault(one.name, "unlike", away, usual)


def _unseen_alone(before: NDArray[np.float64]) -> Shares:
    """Share of each block's rows that would be unseen, had the other blocks been the reference."""
    values = before[:, UNSEEN + 1 :]
    alone = values * ((values > 0).sum(axis=0) == 1)
    return np.asarray(alone.sum(axis=1) / before.sum(axis=1))


def _second(shares: Shares) -> float:
    return float(np.sort(shares)[-2])
