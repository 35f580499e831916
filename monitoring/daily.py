"""How far the champion's answers were off, day by day: of all rows, and of segments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.losses import expected_losses, row_losses
from contracts.schema import FeatureSchema

SEGMENTS = 8  # of a column of categories: the most frequent
LEAST_SHARE = 0.05  # of the rows in a segment
MOST_COLUMNS = 20  # of categories

Matrix = NDArray[np.float64]
Days = NDArray[np.int64]


@dataclass(frozen=True)
class Daily:
    """Means of each day, all (days,).

    Attributes:
        excess: loss above what the answers promise; of a regression the loss. (0,) = no outcomes.
        segments: (column, value) -> excess inside less that outside, NaN = one of them has no rows.
        shares: (column, value) -> of the rows.
    """

    excess: Matrix
    segments: Mapping[tuple[str, str], Matrix]
    shares: Mapping[tuple[str, str], float]


NOTHING = Daily(np.empty(0), {}, {})


def segments_of(schema: FeatureSchema, rows: pd.DataFrame) -> list[tuple[str, str]]:
    """The frequent values of columns of categories."""
    found = []
    for name in schema.categorical[:MOST_COLUMNS]:
        texts = rows[name][[isinstance(value, str) for value in rows[name]]]
        shares = texts.value_counts().head(SEGMENTS) / max(len(texts), 1)
        found += [(name, str(value)) for value in shares.index[shares >= LEAST_SHARE]]
    return found


def by_days(
    schema: FeatureSchema,
    segments: Sequence[tuple[str, str]],
    rows: pd.DataFrame,
    days: Days,
    truths: Matrix,
    answers: Matrix,
) -> Daily:
    """Put the rows together by days.

    Args:
        segments: of segments_of.
        truths: (n,) as Target.truths.
        answers: (n, outputs).
    """
    task = schema.target.task
    losses = row_losses(task, truths, answers)
    excess = losses if task == "regression" else losses - expected_losses(answers)
    inside = {each: (rows[each[0]] == each[1]).to_numpy(bool) for each in segments}
    return Daily(
        day_means(excess, days),
        {each: day_means(excess, days, its) - day_means(excess, days, ~its)
         for each, its in inside.items()},
        {each: float(its.mean()) for each, its in inside.items()},
    )  # fmt: skip


def day_means(values: Matrix, days: Days, rows: NDArray[np.bool_] | None = None) -> Matrix:
    """Of each day the mean of its rows, or of some of them; NaN = none of them is of that day."""
    different, at = np.unique(days, return_inverse=True)
    kept = np.ones(len(days), bool) if rows is None else rows
    counts = np.bincount(at[kept], minlength=len(different))
    sums = np.bincount(at[kept], values[kept], minlength=len(different))
    return np.asarray(
        np.divide(sums, counts, out=np.full(len(different), np.nan), where=counts > 0)
    )
