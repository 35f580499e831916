"""Means of many slices at once, each with an interval that allows for rows that belong together."""

from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from pipeline.evaluation.holdout import Floats, Integers

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Cells:
    """Arrays (cells,); `difference` is from the mean of all rows, or from 0; `error` is its own."""

    rows: Integers
    mean: Floats
    difference: Floats
    error: Floats
    blocks: Integers


def measure_cells(
    values: Floats, codes: Integers, count: int, blocks: Integers, *, against_all: bool
) -> Cells:
    """Mean of each cell, and the cluster-robust standard error of its difference.

    The error sums each block's influence on the difference (Liang and Zeger, "Longitudinal Data
    Analysis Using Generalized Linear Models", Biometrika, 1986), times G / (G - 1) for G blocks.

    Args:
        values: (n,).
        codes: (n,) cell of each row, below `count`.
        blocks: (n,) from 0.
        against_all: the difference is from the mean of all rows, else from 0.
    """
    rows = np.bincount(codes, minlength=count)
    mean = np.bincount(codes, values, count) / np.maximum(rows, 1)
    block_count, n = int(blocks.max()) + 1, len(values)
    # What each block adds to the mean of all rows, of which the cell is a part.
    reference = values.mean() if against_all else 0.0
    shared = np.zeros(block_count)
    if against_all:
        shared = np.bincount(blocks, values - reference, block_count) / n
    pairs, inverse = np.unique(codes * block_count + blocks, return_inverse=True)
    cell, block = np.divmod(pairs, block_count)
    own = np.bincount(inverse, values - mean[codes], len(pairs)) / rows[cell]
    terms = (own - shared[block]) ** 2 - shared[block] ** 2
    variance = np.bincount(cell, terms, count) + (shared**2).sum()
    touched = np.bincount(cell, minlength=count)
    variance *= touched / np.maximum(touched - 1, 1)
    return Cells(rows, mean, mean - reference, np.sqrt(np.maximum(variance, 0.0)), touched)


def half_widths(cells: Cells, comparisons: int) -> Floats:
    """Half of each difference's 95 % interval, (cells,); infinite for a single block.

    Args:
        comparisons: how many intervals must hold at once (Bonferroni).
    """
    tail = (1 - CONFIDENCE) / 2 / max(comparisons, 1)
    quantiles = t.ppf(1 - tail, np.maximum(cells.blocks - 1, 1))
    return np.where(cells.blocks > 1, quantiles * cells.error, np.inf)
