"""Features that say the target: copies of it, or what is known only once it is."""

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score, r2_score, roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from contracts.moments import DAY_SECONDS, split_moments
from contracts.params import Task

DETERMINED = 0.999
ROWS = 20_000
# A category says something of its rows from here on; with fewer it is pure by chance.
LEVEL_ROWS = 10
COVERED = 0.9
LEAVES_PER_CLASS = 4
LARGEST = 3e38  # scikit-learn's trees take float32


def leak(feature: pd.Series, kind: str, target: pd.Series, task: Task) -> str | None:
    """Why a feature is suspected to be the target in disguise; None if it is not.

    Args:
        feature: typed as its kind, (n,).
        target: float64 (n,): the number of the class, or the value; NaN = unknown. Binary: 1 is
            the positive class.
    """
    known = np.flatnonzero(target.notna().to_numpy())
    chosen = known[:: -(-len(known) // ROWS) or 1]
    truths = target.to_numpy()[chosen]
    values = feature.iloc[chosen]
    if len(np.unique(truths)) < 2:
        return None
    if kind == "categorical":
        return _by_levels(values.fillna("").to_numpy(), truths, task)
    numbers = _as_numbers(values, kind)
    if task == "regression":
        return _by_rank(numbers, truths) or _by_levels(numbers, truths, task)
    return _by_order(numbers, truths, task)


def _as_numbers(values: pd.Series, kind: str) -> np.ndarray:
    """float64; missing is a value of its own, because what is missing can tell the target."""
    if kind == "datetime":
        pairs = split_moments(values).astype(np.float64)
        numbers = pairs[:, 0] * DAY_SECONDS + pairs[:, 1]
    else:
        numbers = values.to_numpy(np.float64)
    missing = np.isnan(numbers)
    lowest = numbers[~missing].min() if not missing.all() else 0.0
    return np.clip(np.where(missing, lowest - 1 - abs(lowest), numbers), -LARGEST, LARGEST)


def _by_order(numbers: np.ndarray, truths: np.ndarray, task: Task) -> str | None:
    if task == "binary":
        auc = float(roc_auc_score(truths, numbers))
        if max(auc, 1 - auc) >= DETERMINED:
            return f"alone it ranks the classes with ROC AUC {max(auc, 1 - auc):.4f}"
    leaves = LEAVES_PER_CLASS * len(np.unique(truths))
    tree = DecisionTreeClassifier(
        max_leaf_nodes=leaves, min_samples_leaf=LEVEL_ROWS, class_weight="balanced", random_state=0
    ).fit(numbers[:, None], truths)
    right = float(balanced_accuracy_score(truths, tree.predict(numbers[:, None])))
    return f"alone it tells {right:.2%} of each class" if right >= DETERMINED else None


def _by_rank(numbers: np.ndarray, truths: np.ndarray) -> str | None:
    if len(np.unique(numbers)) < 3:
        return None
    ranks = np.corrcoef(pd.Series(numbers).rank(), pd.Series(truths).rank())[0, 1] ** 2
    linear = np.corrcoef(numbers, truths)[0, 1] ** 2
    best = float(max(ranks, linear))
    return f"alone it explains the target with R2 {best:.4f}" if best >= DETERMINED else None


def _by_levels(levels: np.ndarray, truths: np.ndarray, task: Task) -> str | None:
    codes, _ = pd.factorize(levels)
    large = np.bincount(codes)[codes] >= LEVEL_ROWS
    if large.mean() < COVERED:
        return None
    codes, known = codes[large], truths[large]
    if len(np.unique(known)) < 2:
        return None
    frame = pd.DataFrame({"level": codes, "truth": known})
    if task == "regression":
        means = frame.groupby("level")["truth"].transform("mean")
        explained = float(r2_score(known, means))
        return f"its levels explain R2 {explained:.4f}" if explained >= DETERMINED else None
    likeliest = frame.groupby("level")["truth"].agg(lambda truth: truth.mode().iloc[0])
    right = float(balanced_accuracy_score(known, likeliest.reindex(codes).to_numpy()))
    return f"its categories tell {right:.2%} of each class" if right >= DETERMINED else None
