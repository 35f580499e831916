"""What a model looks at: how much its loss grows when one feature is shuffled."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from contracts.losses import row_losses
from contracts.schema import FeatureSchema, FloatMatrix, TextMatrix

ROWS, REPEATS = 5000, 5
FEWEST_ROWS, FEWEST_REPEATS = 1000, 2
BUDGET = 1_000_000  # rows answered in all: wide tables get fewer rows, then fewer repeats

Answers = Callable[[FloatMatrix, TextMatrix], NDArray[np.float32]]
Columns = tuple[list[int], list[int]]  # of the float matrix, of the text matrix


def permutation_importance(
    answers: Answers, holdout: pd.DataFrame, schema: FeatureSchema, rng: np.random.Generator
) -> pd.DataFrame:
    """Permutation importance on held-out rows (Breiman, "Random Forests", 2001), largest first.

    Features that say the same share their importance: shuffling one leaves the other.

    Args:
        answers: the `answers` of a model (contracts.bundle.Model) that has not learned from the
            rows: float32 (n, outputs) from the two matrices of FeatureSchema.to_matrices.
        holdout: prepared rows.

    Returns:
        feature, mean and std of the increase of the mean loss over repeats.
    """
    rows, repeats = _affordable(len(schema.features))
    sample = holdout.iloc[np.sort(rng.permutation(len(holdout))[:rows])]
    numeric, text = schema.to_matrices(sample)
    truths = schema.target.truths(sample[schema.target.name])
    before = _mean_losses(answers(numeric, text), truths, schema, 1)[0]
    numeric, text = np.tile(numeric, (repeats, 1)), np.tile(text, (repeats, 1))
    found = []
    for name, columns in tqdm(matrix_columns(schema).items(), "importance", unit="feature"):
        orders = [rng.permutation(len(sample)) + i * len(sample) for i in range(repeats)]
        shuffled = _shuffle(numeric, text, columns, np.concatenate(orders))
        grown = _mean_losses(answers(*shuffled), truths, schema, repeats) - before
        found.append([name, round(float(grown.mean()), 6), round(float(grown.std()), 6)])
    table = pd.DataFrame(found, columns=["feature", "mean", "std"])
    return table.sort_values("mean", ascending=False, kind="stable", ignore_index=True)


def matrix_columns(schema: FeatureSchema) -> dict[str, Columns]:
    """The columns of both matrices that hold each feature; a datetime has two."""
    found: dict[str, Columns] = {}
    for i, name in enumerate(schema.numeric):
        found[name] = ([i], [])
    for i, name in enumerate(schema.datetimes):
        at = len(schema.numeric) + 2 * i
        found[name] = ([at, at + 1], [])
    for i, name in enumerate(schema.categorical):
        found[name] = ([], [i])
    return {name: found[name] for name in schema.names}


def _affordable(features: int) -> tuple[int, int]:
    rows = int(np.clip(BUDGET // (features * REPEATS), FEWEST_ROWS, ROWS))
    return rows, int(np.clip(BUDGET // (features * rows), FEWEST_REPEATS, REPEATS))


def _shuffle(
    numeric: FloatMatrix, text: TextMatrix, columns: Columns, order: NDArray[np.int64]
) -> tuple[FloatMatrix, TextMatrix]:
    numbers, words = columns
    numeric, text = numeric.copy(), text.copy()
    numeric[:, numbers] = numeric[order[:, None], numbers]
    text[:, words] = text[order[:, None], words]
    return numeric, text


def _mean_losses(
    answered: NDArray[np.float32], truths: NDArray[np.float64], schema: FeatureSchema, repeats: int
) -> NDArray[np.float64]:
    """(repeats,)"""
    tiled = np.tile(truths, repeats)
    losses = row_losses(schema.target.task, tiled, np.asarray(answered, dtype=np.float64))
    means: NDArray[np.float64] = losses.reshape(repeats, -1).mean(axis=1)
    return means
