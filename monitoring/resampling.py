"""What windows look like when nothing has changed: reference and window dealt out again.

Rows of one day share its weather, its campaigns and its bugs, and one day resembles the next. So
runs of whole blocks change places, not rows: a block permutation test. Where a team says that its
rows are independent, rows do.
"""

from dataclasses import dataclass
from math import comb

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_MANY = 10**9
SHORTEST = 1.3  # windows of neighbours, in runs
COMMON = 0.05  # of the steps between blocks


@dataclass(frozen=True)
class Dealt:
    """Histograms of one column without any change, in float (draws, bins) each."""

    reference: Matrix
    window: Matrix


def run_length(reference: NDArray[np.int64], window: NDArray[np.int64], most: int) -> int | None:
    """How many neighbouring blocks change places together; None = the window is too short.

    Runs as long as the cube root of their number keep what neighbours share, and leave enough of
    them. A window has to hold two: one run can be dealt in as many ways as there are runs, which
    shows no small rate. A window of blocks that are no neighbours is dealt one by one. Blocks on
    both sides of a usual gap are neighbours: a shop that is closed on Sundays has weeks, too.

    Args:
        reference: numbers of the reference's blocks, (a,) rising.
        window: numbers of the window's blocks, (b,) rising, at least one.
        most: blocks that resemble their neighbours. A long history makes runs no longer, or the
            windows that a short one could judge would be too short for it.
    """
    together = len(window) / (1 + np.count_nonzero(np.diff(window) > _usual_step(reference)))
    longest = min(float(np.cbrt(len(reference))), most)
    if len(window) == 1 or 2 <= together < SHORTEST * longest:
        return None
    return max(1, min(round(longest), int(together / 2)))


def _usual_step(blocks: NDArray[np.int64]) -> int:
    """The longest step from one block to the next that is common among blocks."""
    steps, counts = np.unique(np.diff(blocks), return_counts=True)
    common = steps[counts >= COMMON * counts.sum()]
    return int(common.max()) if len(common) else 1


def distinct_windows(blocks: int, window: int, length: int) -> int:
    """How many different windows can be dealt: no smaller p-value than one in so many exists."""
    return min(comb(-(-blocks // length), -(-window // length)), _MANY)


def deal_blocks(
    blocks: int, window: int, length: int, draws: int, generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Which of all blocks, reference's and window's, are in each dealt window, (draws, blocks).

    Args:
        blocks: of both together, in their order; the last is followed by the first.
        window: how many of them.
        length: of the runs that stay together.
    """
    runs = -(-blocks // length)
    order = np.argsort(generator.random((draws, runs)), axis=1)
    places = (order[..., None] * length + np.arange(length)).reshape(draws, -1)
    # The last run may be shorter: places beyond the end go last, and are never dealt.
    places = np.take_along_axis(places, np.argsort(places >= blocks, axis=1, kind="stable"), axis=1)
    chosen = (places[:, :window] + generator.integers(0, blocks, (draws, 1))) % blocks
    dealt = np.zeros((draws, blocks), bool)
    np.put_along_axis(dealt, chosen, values=True, axis=1)
    return dealt


def sum_blocks(
    counts: Matrix, dealt: NDArray[np.bool_], rows: float, generator: np.random.Generator
) -> Dealt:
    """Sum one column's dealt blocks.

    A window of fewer rows than its dealt blocks have is thinned, so that it is as noisy as the
    real one.

    Args:
        counts: (blocks, bins) of reference and window.
        dealt: of deal_blocks.
        rows: of the real window.
    """
    window = dealt.astype(float) @ counts
    return Dealt(counts.sum(axis=0) - window, _thinned(window, rows, generator))


def deal_rows(counts: Matrix, rows: int, draws: int, generator: np.random.Generator) -> Dealt:
    """Deal independent rows out again: a permutation test, exact.

    Args:
        counts: (bins,) of reference and window together.
        rows: of the window.
    """
    pooled = np.rint(counts).astype(np.int64)
    windows = generator.multivariate_hypergeometric(pooled, rows, size=draws, method="marginals")
    return Dealt((pooled - windows).astype(float), windows.astype(float))


def _thinned(counts: Matrix, rows: float, generator: np.random.Generator) -> Matrix:
    total = counts.sum(axis=1)
    thin = total > rows
    if not thin.any() or rows <= 0:
        return counts
    # Variances add: this is what the dealt blocks' own rows lack of the noise of `rows` rows.
    lacking = 1 / (1 / rows - 1 / total[thin])
    sizes = np.clip(np.rint(lacking), 1, _MANY).astype(np.int64)
    found = counts.copy()
    found[thin] = generator.multinomial(sizes, counts[thin] / total[thin, None])
    return found
