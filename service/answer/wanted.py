"""Which labels would teach most: rows that the model is unsure of, unlike each other; pure.

Uncertainty alone picks the same kind of row again and again, and on the flights taught less than
chance. So each pick is the row whose distance to what is picked already is largest, which is the
greedy k-center of Sener and Savarese (ICLR 2018); an unsure row counts up to twice as far as a
sure one. docs/data-life.md has the figures.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from contracts.params import Task
from contracts.schema import FeatureSchema

Floats = NDArray[np.float64]


def uncertainty(task: Task, probability: float | None, scores: Sequence[float] | None) -> float:
    """Of one answer: entropy in nats, or the width of a regression's interval."""
    if task == "regression":
        return float(scores[1] - scores[0]) if scores else 0.0
    chances = [1 - (probability or 0.0), probability or 0.0] if task == "binary" else scores or [1]
    known = np.array([chance for chance in chances if chance > 0])
    return float(-(known * np.log(known)).sum())


def fits(features: Mapping[str, Any], schema: FeatureSchema) -> bool:
    """Whether a row, perhaps logged under another schema, can be compared in this one."""
    texts = {f.name for f in schema.features if f.kind in ("categorical", "datetime")}
    return all(
        features.get(name) is None or isinstance(features[name], str) == (name in texts)
        for name in schema.names
    )


def most_wanted(
    found: Sequence[Mapping[str, Any]], schema: FeatureSchema, limit: int
) -> list[dict[str, Any]]:
    """Of logged rows, those whose labels would teach most, each with its `uncertainty`."""
    rows = [row for row in found if fits(row["features"], schema)]
    task = schema.target.task
    unsure = [uncertainty(task, row["probability"], row["scores"]) for row in rows]
    chosen = pick(unsure, [row["features"] for row in rows], schema, limit)
    return [{**rows[index], "uncertainty": unsure[index]} for index in chosen]


def pick(
    unsure: Sequence[float], rows: Sequence[Mapping[str, Any]], schema: FeatureSchema, limit: int
) -> list[int]:
    """Numbers of the rows that are wanted, the most wanted first.

    Args:
        unsure: (n,) how unsure the answer to each row is, in any unit; all alike = not at all.
        rows: (n,) features by name, as `fits`.
    """
    if not rows:
        return []
    weights = np.asarray(unsure, float)
    weights = 1 + weights / weights.max() if weights.max() > 0 else np.ones(len(rows))
    numbers, texts = _places(rows, schema)
    nearest = np.full(len(rows), np.inf)
    picked = [int(weights.argmax())]
    while len(picked) < min(limit, len(rows)):
        last = picked[-1]
        away = ((numbers - numbers[last]) ** 2).sum(axis=1) + (texts != texts[last]).sum(axis=1)
        nearest = np.minimum(nearest, np.sqrt(away))
        nearest[last] = -1.0  # never again, even where all others are alike
        picked.append(int(np.where(nearest < 0, -1.0, weights * nearest).argmax()))
    return picked


def _places(
    rows: Sequence[Mapping[str, Any]], schema: FeatureSchema
) -> tuple[Floats, NDArray[np.int64]]:
    """Numbers in standard deviations, a missing one in the middle; texts as codes."""
    columns = {name: np.array([row.get(name) for row in rows], object) for name in schema.names}
    numeric, text = schema.to_matrices(columns)
    numbers = numeric.astype(np.float64)
    known = np.isfinite(numbers)
    count = np.maximum(known.sum(axis=0), 1)
    middle = np.where(known, numbers, 0.0).sum(axis=0) / count
    off = np.where(known, numbers - middle, 0.0)
    spread = np.sqrt((off**2).sum(axis=0) / count)
    codes = [np.unique(column.astype(str), return_inverse=True)[1] for column in text.T]
    return off / np.where(spread > 0, spread, 1.0), np.array(codes, np.int64).reshape(
        len(codes), len(rows)
    ).T
