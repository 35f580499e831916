"""What is to be expected of each row before its outcome is known.

Of classes: their calibrated chances (isotonic, one class against the rest; Zadrozny and Elkan
2002). Of a number: the absolute error, by a model of its own (learning the loss: Yoo and Kweon
2019, arXiv 1905.03677; NannyML's direct loss estimation). Both learn from the reference's answers,
which are out of sample.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.isotonic import IsotonicRegression

from contracts.losses import row_losses
from contracts.schema import FeatureSchema

Matrix = NDArray[np.float64]
Believe = Callable[[pd.DataFrame], Matrix]

FOLDS = 5
LEAST = 1e-4  # chance of a class: nothing is impossible because it was not seen
_TREES = {"max_iter": 100, "learning_rate": 0.05, "max_leaf_nodes": 15, "min_samples_leaf": 40}


def learn(schema: FeatureSchema, reference: pd.DataFrame) -> Believe:
    """Learn what is to be expected.

    Args:
        reference: schema.answers and the target; of a regression features too.

    Returns:
        From rows (features, schema.answers) to chances, (n, outputs); of a regression to expected
        absolute errors, (n, 1).
    """
    truths = schema.target.truths(reference[schema.target.name].tolist())
    if schema.target.task == "regression":
        return _errors(schema, reference, truths)
    answers = reference[schema.answers].to_numpy(float)
    first = 1 if schema.target.task == "binary" else 0
    curves = [
        IsotonicRegression(y_min=LEAST, y_max=1 - LEAST, out_of_bounds="clip").fit(
            answers[:, k], truths == k
        )
        for k in range(first, answers.shape[1])
    ]

    def believe(rows: pd.DataFrame) -> Matrix:
        answers = rows[schema.answers[first:]].to_numpy(float)
        found = np.column_stack([c.predict(answers[:, k]) for k, c in enumerate(curves)])
        if first:
            return np.column_stack([1 - found[:, 0], found[:, 0]])
        return np.asarray(found / found.sum(axis=1, keepdims=True))

    return believe


def cross_learn(schema: FeatureSchema, reference: pd.DataFrame, days: NDArray[np.int64]) -> Matrix:
    """What is to be expected of each reference row by what the other rows say, (n, outputs).

    Args:
        days: (n,) of the rows; those of neighbouring days are judged together.
    """
    order = np.argsort(days, kind="stable")
    numbers = np.unique(days, return_inverse=True)[1]
    whole = numbers.max() + 1 >= FOLDS
    fold = numbers * FOLDS // (numbers.max() + 1) if whole else np.empty(len(days), np.int64)
    if not whole:  # rows without a time
        fold[order] = np.arange(len(days)) % FOLDS
    width = 1 if schema.target.task == "regression" else len(schema.answers)
    found = np.empty((len(reference), width))
    for number in range(FOLDS):
        judged = fold == number
        found[judged] = learn(schema, reference[~judged])(reference[judged])
    return found


def _errors(schema: FeatureSchema, reference: pd.DataFrame, truths: NDArray[np.float64]) -> Believe:
    categories = {name: codes_of(reference[name]) for name in schema.categorical}

    def columns(rows: pd.DataFrame) -> Matrix:
        numbers, texts = schema.to_matrices(rows)
        coded = [
            pd.Series(texts[:, i]).map(categories[name]).to_numpy(float)
            for i, name in enumerate(schema.categorical)
        ]
        return np.column_stack([numbers, *coded, rows[schema.answers[0]].to_numpy(float)])

    errors = row_losses("regression", truths, reference[schema.answers].to_numpy(float))
    model = HistGradientBoostingRegressor(early_stopping=False, random_state=0, **_TREES)
    model.fit(columns(reference), errors)
    least = float(errors.min())
    return lambda rows: np.maximum(model.predict(columns(rows)), least)[:, None]


def codes_of(values: pd.Series) -> dict[str, int]:
    """By frequency, so that neighbours in the code are categories of a kind."""
    counts = values[[isinstance(value, str) for value in values]].value_counts()
    return {str(value): place for place, value in enumerate(counts.index)}
