"""How much of the target one feature alone determines, from 0 to 1.

Trees of this one feature answer rows that they have not seen; what counts is the share of the
squared errors of a constant guess that they remove. Any shape is found that way, for any kind, and
an identifier scores 0, for it does not come again.
"""

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.tree import DecisionTreeRegressor

from contracts.params import Kind, Task

MIN_ROWS = 50  # of fewer, chance determines too much
MAX_ROWS = 50_000
FEW_LEAVES = 16  # finds a weak trend; a tree without limit finds a rule, however fine


def association(values: pd.Series, kind: Kind, target: pd.Series, task: Task) -> float | None:
    """Share of the target's variance that the feature explains; None = too few rows to say.

    Of classes that is the variance of their indicators. For a regression it is |Spearman's
    correlation| where that is larger.

    Args:
        values: typed, n rows.
        target: texts of classes, or float64; rows without one are left out.
    """
    known = np.flatnonzero(target.notna().to_numpy())
    if len(known) > MAX_ROWS:
        known = known[np.linspace(0, len(known) - 1, MAX_ROWS).astype(np.int64)]
    target, numbers = target.iloc[known], as_numbers(values.iloc[known], kind)
    if len(target) < MIN_ROWS or target.nunique() < 2:
        return None
    answers = _indicators(target, task)
    explained = max(_explained(numbers, answers, leaves) for leaves in (FEW_LEAVES, None))
    if task == "regression":
        explained = max(explained, abs(_spearman(numbers, target)))
    return round(float(np.clip(explained, 0, 1)), 6)


def as_numbers(values: pd.Series, kind: Kind) -> np.ndarray:
    """float64 (n,), NaN = missing; categories by their number, moments in seconds."""
    if kind == "categorical":
        codes = pd.factorize(values, sort=True)[0]
        return np.where(codes < 0, np.nan, codes.astype(np.float64))
    if kind == "datetime":
        seconds = values.dt.tz_localize(None).to_numpy("datetime64[s]")
        return np.where(np.isnat(seconds), np.nan, seconds.astype(np.int64).astype(np.float64))
    return values.to_numpy(np.float64)


def _indicators(target: pd.Series, task: Task) -> np.ndarray:
    """float64 (n, 1): the number, or whether a row is of the last class; (n, classes) of many."""
    if task == "regression":
        return target.to_numpy(np.float64).reshape(-1, 1)
    codes, classes = pd.factorize(target, sort=True)
    wanted = range(1, 2) if len(classes) == 2 else range(len(classes))
    return np.stack([codes == i for i in wanted], axis=1).astype(np.float64)


def _explained(numbers: np.ndarray, answers: np.ndarray, leaves: int | None) -> float:
    tree = DecisionTreeRegressor(min_samples_leaf=2, max_leaf_nodes=leaves, random_state=0)
    folds = KFold(2, shuffle=True, random_state=0)
    found = cross_val_predict(tree, numbers.reshape(-1, 1), answers, cv=folds)
    left = np.square(found.reshape(answers.shape) - answers).sum()
    return float(1 - left / np.square(answers - answers.mean(axis=0)).sum())


def _spearman(numbers: np.ndarray, target: pd.Series) -> float:
    ranks = pd.Series(numbers).rank()
    if ranks.nunique() < 2 or ranks.count() < MIN_ROWS:
        return 0.0
    return float(ranks.corr(target.reset_index(drop=True).rank()))
