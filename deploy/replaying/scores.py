"""What two models answered to the same rows, and by how much they differ. Pure.

A score is the probability of a binary model's positive class, each probability of a multiclass
one, or a regression's value in standard deviations of the champion's values.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.losses import row_losses
from contracts.schema import SchemaError, Target
from deploy.replaying.asking import Answer
from deploy.replaying.rows import Row

Floats = NDArray[np.float64]
QUARTERS = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Difference:
    """Of n rows that both answered.

    Attributes:
        champion, candidate: (n, scores), see the module.
        shifts: (n,) candidate less champion; of many classes half the sum of absolute differences,
            which is never negative.
        flips: (n,) bool, whether decisions differ; all False for a regression.
    """

    rows: tuple[Row, ...]
    champion: Floats
    candidate: Floats
    shifts: Floats
    flips: NDArray[np.bool_]


def differ(
    target: Target, rows: Sequence[Row], champion: Sequence[Answer], candidate: Sequence[Answer]
) -> Difference:
    """Row by row, both in the rows' order."""
    before, after = (np.array([each.scores for each in side]) for side in (champion, candidate))
    flips = np.array(
        [a.prediction != b.prediction for a, b in zip(champion, candidate, strict=True)]
    )
    if target.task == "regression":
        scale = float(before.std()) or 1.0
        before, after, flips = before / scale, after / scale, np.zeros(len(rows), bool)
    if target.task == "binary":
        before, after = before[:, 1:], after[:, 1:]
    if target.task == "multiclass":
        shifts = np.abs(after - before).sum(axis=1) / 2
    else:
        shifts = (after - before)[:, 0]
    return Difference(tuple(rows), before, after, shifts, flips)


def distance(before: Floats, after: Floats) -> float:
    """Kolmogorov-Smirnov: the largest difference of distribution functions, over all scores."""
    return max(_distance(before[:, i], after[:, i]) for i in range(before.shape[1]))


def _distance(before: Floats, after: Floats) -> float:
    points = np.concatenate([before, after])
    shares = [np.searchsorted(np.sort(side), points, "right") / len(side)
              for side in (before, after)]  # fmt: skip
    return float(np.abs(shares[0] - shares[1]).max())


@dataclass(frozen=True)
class Segment:
    """Rows with one category, or in one quarter of a number."""

    column: str
    category: str
    rows: int
    mean_shift: float
    flips: float


def segments(found: Difference, columns: Sequence[str], min_rows: int) -> list[Segment]:
    """Those with enough rows, the largest mean shift first."""
    made = []
    for column in columns:
        names = _categories([row.features.get(column) for row in found.rows])
        for category in sorted(set(names)):
            inside = np.array([name == category for name in names])
            if inside.sum() >= min_rows:
                made.append(_segment(column, category, inside, found))
    return sorted(made, key=lambda each: (-abs(each.mean_shift), each.column, each.category))


def _segment(column: str, category: str, inside: NDArray[np.bool_], found: Difference) -> Segment:
    shift, flips = found.shifts[inside].mean(), found.flips[inside].mean()
    return Segment(column, category, int(inside.sum()), float(shift), float(flips))


def _categories(values: Sequence[object]) -> list[str]:
    """Texts and booleans as they are; numbers by their quarter; what is missing apart."""
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    edges = np.quantile(numbers, QUARTERS) if numbers else np.array([])
    if len(set(numbers)) <= len(QUARTERS) + 1:  # few numbers are names
        edges = np.array([])
    return [_category(value, edges) for value in values]


def _category(value: object, edges: Floats) -> str:
    if value is None:
        return "missing"
    if isinstance(value, bool) or not isinstance(value, int | float) or not len(edges):
        return str(value)
    place = int(np.searchsorted(edges, value, "left"))
    low = f"above {edges[place - 1]:g}" if place else ""
    high = f"to {edges[place]:g}" if place < len(edges) else ""
    return " ".join(part for part in (low, high) if part)


def losses(
    target: Target, rows: Sequence[Row], champion: Sequence[Answer], candidate: Sequence[Answer]
) -> tuple[int, float, float] | None:
    """Rows with outcomes, and the mean loss of both on them; None where there are none.

    An outcome that is none of the model's classes is left out, as in monitoring.
    """
    truths, kept = [], []
    for number, row in enumerate(rows):
        if not row.has_outcome:
            continue
        try:
            truths.append(target.truths([row.outcome])[0])
        except (SchemaError, TypeError, ValueError):
            continue
        kept.append(number)
    if not kept:
        return None
    known = np.array(truths)
    means = [
        float(row_losses(target.task, known, np.array([side[i].scores for i in kept])).mean())
        for side in (champion, candidate)
    ]
    return len(kept), means[0], means[1]
