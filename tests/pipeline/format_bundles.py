"""Bundles of every task and kind of model, as the candidates are built, for tests of formats."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
    TargetEncoder,
)
from threadpoolctl import threadpool_limits

from contracts.bundle import save_bundle
from contracts.model_frame import frame_of
from contracts.params import Task
from contracts.schema import Feature, FeatureSchema, Target
from contracts.transformers import DateParts, RareGrouper

TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
MODELS = ("linear", "forest", "boosting", "lightgbm")
CLASSES: dict[Task, tuple[Any, ...]] = {
    "binary": (0, 1), "multiclass": ("früh", "on time", "late"), "regression": (),
}  # fmt: skip
CARRIERS = ["AA", "DL", "UA", 'with "quotes"', "søndag"]


def make_schema(task: Task, moments: bool = True) -> FeatureSchema:
    """Each kind, with names that are no identifiers."""
    when = (Feature("left at", "datetime", True),) if moments else ()
    return FeatureSchema(
        (
            Feature("hour", "integer", False, 0, 23),
            Feature("temp °C", "numeric", False, 10.0, 100.0),
            *when,
            Feature("wind; 'gust'", "numeric", True, 0.0, 40.0),
            Feature("index", "boolean", False),
            Feature("carrier", "categorical", False, categories=tuple(CARRIERS)),
            Feature("origin: from", "categorical", True, categories=("EWR", "JFK")),
        ),
        Target("late", CLASSES[task], task=task),
        "event_time",
    )


def make_rows(seed: int, rows: int, task: Task) -> pd.DataFrame:
    """Rows with a learnable `late`; some values missing, some categories rare or never seen."""
    random = np.random.default_rng(seed)
    carriers = [*CARRIERS, f"unseen {seed}", "rare"]
    seconds = random.integers(-(10**9), 2 * 10**9, rows)
    frame = pd.DataFrame(
        {
            "hour": random.integers(0, 24, rows).astype(np.float32),
            "temp °C": random.uniform(10, 100, rows).astype(np.float32),
            "left at": pd.Series(seconds.astype("datetime64[s]")).dt.tz_localize("UTC"),
            "wind; 'gust'": random.uniform(0, 40, rows).astype(np.float32),
            "index": random.integers(0, 2, rows).astype(np.float32),
            "carrier": random.choice(carriers, rows, p=[0.3, 0.3, 0.2, 0.1, 0.08, 0.01, 0.01]),
            "origin: from": random.choice(["EWR", "JFK", ""], rows),
        }
    )
    frame.loc[random.random(rows) < 0.2, "wind; 'gust'"] = np.nan
    frame.loc[random.random(rows) < 0.1, "left at"] = pd.NaT
    score = (frame["hour"] - 12) / 6 + (frame["carrier"] == "UA") + random.normal(0, 1, rows)
    score += frame["wind; 'gust'"].isna() + (frame["left at"].dt.month > 6)
    frame["late"] = score if task == "regression" else _classes(score, task)
    return frame


def _classes(score: pd.Series, task: Task) -> pd.Series:
    edges = [0.5] if task == "binary" else [-0.5, 1.0]
    labels = np.array(CLASSES[task], dtype=object)
    return pd.Series(labels[np.digitize(score, edges)], score.index).infer_objects()


def make_pipeline_of(model: str, schema: FeatureSchema) -> Pipeline:
    """An unfitted Pipeline like those of pipeline/candidates.py."""
    task = schema.target.task
    columns = _linear_columns(schema) if model == "linear" else _tree_columns(model, schema)
    estimator = _estimator(model, task)
    if task != "regression" and model != "linear":
        estimator = CalibratedClassifierCV(estimator, method="sigmoid", cv=KFold(2), ensemble=False)
    return Pipeline([("columns", columns), ("model", estimator)])


def _estimator(model: str, task: Task) -> Any:
    if model == "lightgbm":
        import lightgbm

        kind = lightgbm.LGBMRegressor if task == "regression" else lightgbm.LGBMClassifier
        return kind(n_estimators=20, num_leaves=7, n_jobs=1, verbose=-1, random_state=0)
    forest, boosting = {"n_estimators": 20, "random_state": 0}, {"max_iter": 20, "random_state": 0}
    if task == "regression":
        return {
            "linear": Ridge(),
            "forest": RandomForestRegressor(**forest),
            "boosting": HistGradientBoostingRegressor(**boosting),
        }[model]
    return {
        "linear": LogisticRegression(max_iter=1000),
        "forest": RandomForestClassifier(**forest),
        "boosting": HistGradientBoostingClassifier(early_stopping=False, **boosting),
    }[model]


def _positions(schema: FeatureSchema) -> tuple[list[int], list[int], list[int]]:
    numbers, width = len(schema.numeric), len(schema.matrix_columns)
    text = range(width, width + len(schema.categorical))
    return list(range(numbers)), list(range(numbers, width)), list(text)


def _linear_columns(schema: FeatureSchema) -> ColumnTransformer:
    numeric, moments, text = _positions(schema)
    median = SimpleImputer(strategy="median", keep_empty_features=True)
    absent = SimpleImputer(strategy="constant", fill_value=3e38)
    parts = [make_pipeline(DateParts(), median, StandardScaler())] if moments else []
    group = [RareGrouper(min_rows=10)] if moments else []
    return ColumnTransformer(
        [
            ("numeric", make_pipeline(median, StandardScaler()), numeric),
            ("missing", make_pipeline(absent, Binarizer(threshold=2e38)), numeric),
            *(("moments", each, moments) for each in parts),
            ("text", make_pipeline(*group, OneHotEncoder(handle_unknown="ignore")), text),
        ]
    )


def _tree_columns(model: str, schema: FeatureSchema) -> ColumnTransformer:
    numeric, moments, text = _positions(schema)
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encoder = ordinal if model == "forest" else TargetEncoder(cv=KFold(3))
    parts = [("moments", DateParts(), moments)] if moments else []
    return ColumnTransformer(
        [("numeric", "passthrough", numeric), *parts, ("text", encoder, text)], sparse_threshold=0
    )


def make_format_bundle(
    directory: Path, task: Task, model: str, moments: bool = True, **changes: Any
) -> str:
    """Train and save a bundle; with moments it has no ONNX. Returns its version.

    `changes` are parameters of the Pipeline to set before it is fitted.
    """
    schema = make_schema(task, moments)
    rows = make_rows(1, 1500, task)
    frame = frame_of(*schema.to_matrices(rows), schema)
    with threadpool_limits(1):  # on few rows threads only wait for each other
        fitted = make_pipeline_of(model, schema).set_params(**changes).fit(frame, rows["late"])
    reference = io.BytesIO()
    rows.to_parquet(reference)
    files = {
        "schema.json": schema.to_json().encode(),
        "model.skops": skops.io.dumps(fitted),
        "reference.parquet": reference.getvalue(),
        "unseen.parquet": b"",
        "metrics.json": b"{}",
        "model_card.md": b"# A model for tests\n",
        "model_card.html": b"<h1>A model for tests</h1>\n",
    }
    if not moments:
        files["model.onnx"] = _to_onnx(fitted, schema)
    return save_bundle(directory, files, {})


def _to_onnx(fitted: Pipeline, schema: FeatureSchema) -> bytes:
    inputs = [
        ("numeric", FloatTensorType([None, len(schema.matrix_columns)])),
        ("categorical", StringTensorType([None, len(schema.categorical)])),
    ]
    options = None if schema.target.task == "regression" else {"zipmap": False}
    graph = convert_sklearn(fitted, initial_types=inputs, options=options, target_opset=21)
    return bytes(graph.SerializeToString())
