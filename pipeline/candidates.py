"""The model types that a search may choose from, each a scikit-learn Pipeline that ONNX can hold.

What may be combined was measured (docs/adr/0004): no scaler before trees, no native categorical
splits, sigmoid calibration only; everything else changes its answer on the way to ONNX.
"""

from collections.abc import Mapping
from typing import Any

from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

from contracts.params import ParamsError, Train
from contracts.schema import FeatureSchema


def build(candidate: str, schema: FeatureSchema, seed: int, values: Mapping[str, Any]) -> Pipeline:
    """An unfitted Pipeline of two steps, `columns` and `model`, that takes a model frame.

    Args:
        candidate: a key of CANDIDATES.
        values: arguments of the estimator.

    Raises:
        ParamsError: the candidate is unknown.
    """
    if candidate not in CANDIDATES:
        raise ParamsError(f"train.candidates: {candidate!r} is none of {sorted(CANDIDATES)}")
    columns, model = CANDIDATES[candidate](schema, seed)
    return Pipeline([("columns", columns), ("model", model.set_params(**values))])


def build_calibrated(
    candidate: str, schema: FeatureSchema, train: Train, values: Mapping[str, Any]
) -> Pipeline:
    """The same with its probabilities calibrated by a sigmoid on consecutive blocks of time."""
    pipeline = build(candidate, schema, train.seed, values)
    blocks = KFold(train.calibration_folds)
    model = CalibratedClassifierCV(
        pipeline.named_steps["model"], method="sigmoid", cv=blocks, ensemble=False
    )
    return Pipeline([("columns", pipeline.named_steps["columns"]), ("model", model)])


def _logistic_regression(schema: FeatureSchema, seed: int) -> tuple[ColumnTransformer, Any]:
    numeric, text = _positions(schema)
    impute_and_scale = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler()
    )
    columns = ColumnTransformer(
        [
            ("numeric", impute_and_scale, numeric),
            ("categorical", OneHotEncoder(handle_unknown="ignore"), text),
        ]
    )
    return columns, LogisticRegression(max_iter=300, random_state=seed)


def _gradient_boosting(schema: FeatureSchema, seed: int) -> tuple[ColumnTransformer, Any]:
    numeric, text = _positions(schema)
    columns = ColumnTransformer(
        [
            ("numeric", "passthrough", numeric),
            ("categorical", TargetEncoder(cv=KFold(5, shuffle=True, random_state=seed)), text),
        ],
        sparse_threshold=0,
    )
    return columns, HistGradientBoostingClassifier(early_stopping=False, random_state=seed)


def _positions(schema: FeatureSchema) -> tuple[list[int], list[int]]:
    """Columns of the model frame: numbers first."""
    split = len(schema.numeric)
    return list(range(split)), list(range(split, len(schema.features)))


CANDIDATES = {
    "logistic_regression": _logistic_regression,
    "gradient_boosting": _gradient_boosting,
}
