"""What each column is worth to the champion, day by day, and where its answers are off.

A column's worth is the loss that its values save: that of the answers with the column's values
drawn from the reference instead, less that of the answers as they are (permutation importance,
Breiman 2001). If a column comes otherwise than before while the world stays as it was, its worth
falls by just what the change costs, and most of what makes one day worse than another is left out,
for it makes both answers worse.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.bundle import Model
from contracts.losses import CLIP, expected_losses, row_losses
from contracts.schema import FeatureSchema
from monitoring.influence import place_of

MOST_COLUMNS = 20  # the first ones given
MOST_ROWS = 15_000  # answered once more for each column
SEGMENTS = 8  # of a column of categories: the most frequent
LEAST_SHARE = 0.05  # of the rows in a segment

Matrix = NDArray[np.float64]
Days = NDArray[np.int64]


@dataclass(frozen=True)
class Daily:
    """Means of each day, all (days,).

    Attributes:
        excess: loss above what the answers promise; of a regression the loss. (0,) = no outcomes.
        worth: column -> loss that it saves; empty = no outcomes.
        shift: column -> how far it moves the answers, as the loss of answers without it: the
            divergence of Kullback and Leibler, or the mean change of a number.
        segments: (column, value) -> excess inside less that outside, NaN = one of them has no rows.
        shares: (column, value) -> of the rows.
    """

    excess: Matrix
    worth: Mapping[str, Matrix]
    shift: Mapping[str, Matrix]
    segments: Mapping[tuple[str, str], Matrix]
    shares: Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Answered:
    """n rows, as they came and as the model would answer them without each column's values.

    Attributes:
        truths: (n,) as Target.truths; None = outcomes are not known.
        without: column -> answers, (n, outputs).
    """

    rows: pd.DataFrame
    days: Days
    truths: Matrix | None
    answers: Matrix
    without: Mapping[str, Matrix]


def answer_without(
    model: Model,
    schema: FeatureSchema,
    columns: Sequence[str],
    rows: pd.DataFrame,
    reference: pd.DataFrame,
    generator: np.random.Generator,
) -> tuple[Matrix, dict[str, Matrix]]:
    """The model's answers, and those with each column's values drawn from the reference.

    Args:
        columns: features; the first MOST_COLUMNS are looked at.
        rows, reference: features; one that is absent is missing.
    """
    matrices = schema.to_matrices(rows)
    donors = schema.to_matrices(reference.iloc[generator.integers(0, len(reference), len(rows))])
    answers = model.answers(*matrices).astype(float)
    without = {}
    for name in columns[:MOST_COLUMNS]:
        which, places = place_of(name, schema)
        kept = matrices[which][:, places].copy()
        matrices[which][:, places] = donors[which][:, places]
        without[name] = model.answers(*matrices).astype(float)
        matrices[which][:, places] = kept
    return answers, without


def segments_of(schema: FeatureSchema, rows: pd.DataFrame) -> list[tuple[str, str]]:
    """The frequent values of columns of categories."""
    found = []
    for name in schema.categorical[:MOST_COLUMNS]:
        texts = rows[name][[isinstance(value, str) for value in rows[name]]]
        shares = texts.value_counts().head(SEGMENTS) / max(len(texts), 1)
        found += [(name, str(value)) for value in shares.index[shares >= LEAST_SHARE]]
    return found


def level_of(past: Answered, weights: Mapping[str, Matrix] | None = None) -> dict[str, Matrix]:
    """How far the answers without each column were off on average, (outputs,): their level.

    Args:
        weights: as by_days takes them.
    """
    if past.truths is None or past.answers.shape[1] < 2:  # none of a number
        return {}
    truths = np.eye(past.answers.shape[1])[past.truths.astype(int)]
    return {
        name: np.average(truths - without, axis=0, weights=(weights or {}).get(name))
        for name, without in past.without.items()
    }


def by_days(
    schema: FeatureSchema,
    answered: Answered,
    segments: Sequence[tuple[str, str]],
    level: Mapping[str, Matrix],
    weights: Mapping[str, Matrix] | None = None,
) -> Daily:
    """Put the rows together by days.

    Args:
        segments: of segments_of.
        level: of level_of, of a classifier; a day on which all rows had it worse than that is put
            right before columns are judged, or a bad day would look like a bad column.
        weights: column -> of the rows, (n,), where its worth is that of another mix of its values.
    """
    task = schema.target.task
    days = _Days(answered.days)
    shift = {n: days.mean(_shift(task == "regression", answered.answers, without))
             for n, without in answered.without.items()}  # fmt: skip
    if answered.truths is None:
        return Daily(np.empty(0), {}, shift, {}, {})
    losses = row_losses(task, answered.truths, answered.answers)
    excess = losses if task == "regression" else losses - expected_losses(answered.answers)
    worth = {}
    for name, without in answered.without.items():
        saved = row_losses(task, answered.truths, without) - losses
        own = (weights or {}).get(name)
        worth[name] = days.mean(saved, weights=own) - _bad_days(
            days, answered, without, level.get(name), own
        )
    inside = {each: (answered.rows[each[0]] == each[1]).to_numpy() for each in segments}
    return Daily(
        days.mean(excess), worth, shift,
        {each: days.mean(excess, rows) - days.mean(excess, ~rows) for each, rows in inside.items()},
        {each: float(rows.mean()) for each, rows in inside.items()},
    )  # fmt: skip


def _shift(numbers: bool, answers: Matrix, without: Matrix) -> Matrix:
    if numbers:
        return np.asarray(np.abs(answers - without)[:, 0])
    return np.asarray((without * (_logs(without) - _logs(answers))).sum(axis=1))


def _bad_days(
    days: "_Days",
    answered: Answered,
    without: Matrix,
    level: Matrix | None,
    weights: Matrix | None,
) -> Matrix | float:
    """What a day that is worse for all its rows adds to a column's worth."""
    if level is None or answered.truths is None:
        return 0.0
    truths = np.eye(without.shape[1])[answered.truths.astype(int)]
    found = np.zeros(days.number)
    for k, gap in _columns(_logs(answered.answers) - _logs(without)):
        found += days.mean((truths - without)[:, k] - level[k], weights=weights) * days.mean(
            gap, weights=weights
        )
    return found


def _columns(matrix: Matrix) -> Iterator[tuple[int, Matrix]]:
    yield from enumerate(matrix.T)


def _logs(chances: Matrix) -> Matrix:
    return np.asarray(np.log(np.clip(chances, CLIP, 1 - CLIP)))


class _Days:
    """Means of rows by day."""

    def __init__(self, days: Days) -> None:
        different, self._at = np.unique(days, return_inverse=True)
        self.number = len(different)

    def mean(
        self,
        values: Matrix,
        rows: NDArray[np.bool_] | None = None,
        weights: Matrix | None = None,
    ) -> Matrix:
        at = self._at if rows is None else self._at[rows]
        kept = values if rows is None else values[rows]
        each = np.ones(len(kept)) if weights is None else weights
        counts = np.bincount(at, each, minlength=self.number)
        sums = np.bincount(at, kept * each, minlength=self.number)
        means = np.full(self.number, np.nan)
        return np.asarray(np.divide(sums, counts, out=means, where=counts > 0))
