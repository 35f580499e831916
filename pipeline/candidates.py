"""The model types that a search may choose from, each a scikit-learn Pipeline that ONNX can hold.

What may be combined was measured (docs/adr/0004): no scaler before trees, no native categorical
splits, sigmoid calibration only; everything else changes its answer on the way to ONNX.
"""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import log2
from typing import Any

from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.pipeline import Pipeline

from contracts.params import Params, ParamsError, Task, Train
from contracts.schema import FeatureSchema
from pipeline.preparation import (
    prepare_for_boosting,
    prepare_for_forest,
    prepare_for_lightgbm,
    prepare_for_linear,
)
from pipeline.splits import calibration_folds

Values = Mapping[str, Any]
Estimator = Callable[[int], Any]
DEEP = 20  # levels of a tree without a limit, roughly


@dataclass(frozen=True)
class Candidate:
    """One model type.

    Attributes:
        prepare: makes its columns.
        classifier, regressor: makes its unfitted estimator from a seed; None = has none.
        complexity: comparisons or products of one answer, roughly; the less, the simpler.
    """

    prepare: Callable[[FeatureSchema, Train], ColumnTransformer]
    classifier: Estimator | None
    regressor: Estimator | None
    complexity: Callable[[Values], float]


def build(candidate: str, schema: FeatureSchema, train: Train, values: Values) -> Pipeline:
    """An unfitted Pipeline of two steps, `columns` and `model`, that takes a model frame.

    Args:
        candidate: a key of CANDIDATES.
        values: arguments of the estimator.

    Raises:
        ParamsError: the candidate is unknown, not for this task, or not installed.
    """
    kind = find(candidate, schema.target.task)
    make = kind.regressor if schema.target.task == "regression" else kind.classifier
    if make is None:
        raise ParamsError(f"train.candidates: {candidate} cannot do {schema.target.task}")
    model = make(train.seed).set_params(**values)
    return Pipeline([("columns", kind.prepare(schema, train)), ("model", model)])


def build_calibrated(
    candidate: str, schema: FeatureSchema, params: Params, values: Values, calibration: str
) -> Pipeline:
    """The same; with `sigmoid` its probabilities are calibrated on rows that it did not learn."""
    pipeline = build(candidate, schema, params.train, values)
    if calibration == "none":
        return pipeline
    model = CalibratedClassifierCV(
        pipeline.named_steps["model"],
        method="sigmoid",
        cv=calibration_folds(schema, params),
        ensemble=False,
    )
    return Pipeline([("columns", pipeline.named_steps["columns"]), ("model", model)])


def find(candidate: str, task: Task) -> Candidate:
    """The candidate of that name.

    Raises:
        ParamsError: it is unknown or needs a library that is not installed.
    """
    if candidate not in CANDIDATES:
        raise ParamsError(f"train.candidates: {candidate!r} is none of {sorted(CANDIDATES)}")
    if candidate == "lightgbm" and importlib.util.find_spec("lightgbm") is None:
        raise ParamsError("train.candidates: lightgbm is not installed; see requirements/extras.in")
    return CANDIDATES[candidate]


def _lightgbm(name: str) -> Estimator:
    def make(seed: int) -> Any:
        import lightgbm  # an extra

        # Deterministic, and no threads fighting over the cores that a search may share.
        return getattr(lightgbm, name)(
            random_state=seed, deterministic=True, force_row_wise=True, verbose=-1, n_jobs=1
        )

    return make


def _sgd(kind: type, loss: str) -> Estimator:
    # A constant step never stops following: with the usual one, which shrinks with every row
    # there was, what an update has learned is hardly to be seen (docs/adr/0033).
    return lambda seed: kind(loss=loss, learning_rate="constant", eta0=1e-3, random_state=seed)


def _boosting_complexity(values: Values) -> float:
    trees = values.get("max_iter") or values.get("n_estimators") or 100
    leaves = values.get("max_leaf_nodes") or values.get("num_leaves") or 31
    return float(trees * log2(leaves))


def _forest_complexity(values: Values) -> float:
    return float((values.get("n_estimators") or 100) * (values.get("max_depth") or DEEP))


def _linear_complexity(_values: Values) -> float:
    return 1.0


CANDIDATES: Mapping[str, Candidate] = {
    "logistic_regression": Candidate(
        prepare_for_linear,
        lambda seed: LogisticRegression(max_iter=1000, random_state=seed),
        None,
        _linear_complexity,
    ),
    "ridge": Candidate(
        prepare_for_linear, None, lambda seed: Ridge(random_state=seed), _linear_complexity
    ),
    # The only one that monitoring/update.py can let go on learning.
    "sgd": Candidate(
        prepare_for_linear,
        _sgd(SGDClassifier, "log_loss"),
        _sgd(SGDRegressor, "squared_error"),
        _linear_complexity,
    ),
    "random_forest": Candidate(
        prepare_for_forest,
        # One thread: several add up trees in any order, and answers differ in the last bit.
        lambda seed: RandomForestClassifier(random_state=seed),
        lambda seed: RandomForestRegressor(random_state=seed),
        _forest_complexity,
    ),
    "gradient_boosting": Candidate(
        prepare_for_boosting,
        lambda seed: HistGradientBoostingClassifier(early_stopping=False, random_state=seed),
        lambda seed: HistGradientBoostingRegressor(early_stopping=False, random_state=seed),
        _boosting_complexity,
    ),
    "lightgbm": Candidate(
        prepare_for_lightgbm,
        _lightgbm("LGBMClassifier"),
        _lightgbm("LGBMRegressor"),
        _boosting_complexity,
    ),
}
