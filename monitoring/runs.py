"""Runs of neighbouring blocks: what the reference shows in a stretch as long as a window."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST_RUNS = 10  # a worst run of fewer says little
_LONGEST = 4  # a run is at most one in so many of the reference's blocks

Values = NDArray[np.float64]
Blocks = NDArray[np.int64]


@dataclass(frozen=True)
class Runs:
    """Stretches of `length` blocks.

    Attributes:
        starts: (r,) places of each run's first block, rising.
    """

    starts: NDArray[np.intp]
    length: int

    def __len__(self) -> int:
        return len(self.starts)

    def only(self, kept: NDArray[np.bool_]) -> "Runs":
        return Runs(self.starts[kept], self.length)

    def sums(self, counts: Values) -> Values:
        """Counts of each run, (r, ...); the blocks come first, (b, ...)."""
        total = np.concatenate([np.zeros((1, *counts.shape[1:])), np.cumsum(counts, axis=0)])
        return np.asarray(total[self.starts + self.length] - total[self.starts])

    def highest_apart(self, shares: Values) -> Values:
        """The highest of the runs that share no block with each, (r, k); -inf = there is none.

        Args:
            shares: (r, k).
        """
        none = np.full((1, shares.shape[1]), -np.inf)
        before = np.concatenate([none, np.maximum.accumulate(shares)])
        after = np.concatenate([np.maximum.accumulate(shares[::-1])[::-1], none])
        ends = np.searchsorted(self.starts, self.starts - self.length, side="right")
        begins = np.searchsorted(self.starts, self.starts + self.length)
        return np.asarray(np.maximum(before[ends], after[begins]))


def runs_like(reference: Blocks, window: Blocks) -> Runs:
    """The reference's runs as long as the window, or single blocks.

    Blocks that are no neighbours are more diverse than any run, and a reference may be too short:
    runs are then shorter than the window. Shorter runs vary more, so that less is unusual.

    Args:
        reference, window: numbers of the blocks, rising.
    """
    length = len(window)
    if length and window[-1] - window[0] >= 2 * length:
        length = 1
    length = max(1, min(length, len(reference) // _LONGEST))
    starts = np.arange(max(0, len(reference) - length + 1))
    close = starts[reference[starts + length - 1] - reference[starts] < 2 * length]
    if len(close) < FEWEST_RUNS:
        return Runs(np.arange(len(reference)), 1)
    return Runs(close, length)
