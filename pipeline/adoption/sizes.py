"""How much is searched and judged, by the number of rows: a small table must not take minutes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.adoption.infer import Findings

SMALL = 200
LARGE = 100_000
MOST_LEARNED = 1_000_000  # one-hot columns of 5 million rows took 12 GB; measured
LEAST_CALIBRATED = 50


@dataclass(frozen=True)
class Sizes:
    min_rows: int
    max_rows: int
    calibration: list[str]
    iterations: int
    search_folds: int
    scoring: str
    candidates: dict[str, dict[str, list[Any]]]
    folds: int
    bootstrap: int


def sizes(findings: Findings) -> Sizes:
    """Sections train and evaluate, sized for a table."""
    answer = findings.answer
    small = answer.rows < SMALL
    regression = answer.task == "regression"
    calibrated = bool(answer.counts) and min(answer.counts) >= LEAST_CALIBRATED
    return Sizes(
        min_rows=int(np.clip(answer.rows // 2, 40, 1000)),
        max_rows=MOST_LEARNED,
        calibration=["none", "sigmoid"] if calibrated else ["none"],
        iterations=3 if small else 6,
        search_folds=3,
        scoring="neg_mean_absolute_error" if regression else "neg_log_loss",
        candidates=_candidates(answer.rows, regression),
        folds=3 if small else 4 if findings.splitting.split == "time" else 5,
        bootstrap=200 if small else 500,
    )


def _candidates(rows: int, regression: bool) -> dict[str, dict[str, list[Any]]]:
    linear: dict[str, dict[str, list[Any]]] = (
        {"ridge": {"alpha": [0.1, 1.0, 10.0, 100.0]}} if regression
        else {"logistic_regression": {"C": [0.01, 0.1, 1.0, 10.0]}}
    )  # fmt: skip
    return {**linear, "random_forest": _forest(rows), "gradient_boosting": _boosting(rows)}


def _forest(rows: int) -> dict[str, list[Any]]:
    leaf = int(np.clip(rows // 2000, 1, 100))
    return {
        "n_estimators": [50, 100] if rows < SMALL else [100, 200],
        "max_depth": [10, 14] if rows > LARGE else [8, None],
        "min_samples_leaf": sorted({leaf, 3 * leaf}),
    }


def _boosting(rows: int) -> dict[str, list[Any]]:
    leaf = int(np.clip(rows // 400, 3, 200))
    return {
        "learning_rate": [0.03, 0.05, 0.1],
        "max_iter": [20, 40, 80] if rows < SMALL else [80, 120, 160],
        "max_leaf_nodes": [4, 8] if rows < SMALL else [15, 31],
        "min_samples_leaf": sorted({leaf, 3 * leaf}),
    }
