"""Small bundles of every task, and tables for them, with names that a team may well use."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from contracts.bundle import save_bundle
from contracts.bundle_files import REQUIRED
from contracts.model_frame import frame_of
from contracts.params import Task
from contracts.schema import Feature, FeatureSchema, Target

CLASSES: dict[Task, tuple[int | str, ...]] = {
    "binary": (0, 1),
    "multiclass": ("low", "middle", "high"),
    "regression": (),
}


def make_schema(task: Task) -> FeatureSchema:
    """One feature of each kind; only `unit price` and `colour` may be missing."""
    margin = 2.5 if task == "regression" else None
    return FeatureSchema(
        (
            Feature("unit price", "numeric", True, 0.0, 100.0, example=9.5, missing=("n/a",)),
            Feature("index", "integer", False, 0, 9, example=3),
            Feature("is.open", "boolean", False, example=True, words=("shut", "open")),
            Feature("opened", "datetime", False, example="2024-02-29T12:00:00Z"),
            Feature("colour", "categorical", True, categories=("red", "blue"), example="red"),
        ),
        Target("answer", CLASSES[task], 0.4, task, margin, 0.9 if margin else None),
        "asked at",
    )


def make_table(rows: int, seed: int = 0) -> pd.DataFrame:
    """A table of plain types, with an id and a timestamp, some prices and colours missing."""
    rng = np.random.default_rng(seed)
    moments = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 10**7, rows), unit="s")
    price = np.where(rng.random(rows) < 0.2, np.nan, rng.uniform(0, 100, rows).round(2))
    return pd.DataFrame(
        {
            "order no": [f"A-{i:07}" for i in range(rows)],
            "asked at": moments + pd.Timedelta(days=1),
            "unit price": price,
            "index": rng.integers(0, 10, rows),
            "is.open": rng.random(rows) < 0.5,
            "opened": moments,
            "colour": rng.choice(np.array(["red", "blue", None], dtype=object), rows),
            "not asked": "x",
        }
    )


def make_bundle(directory: Path, task: Task = "binary", seed: int = 0, onnx: bool = True) -> str:
    """Train and save a bundle; returns its version."""
    schema = make_schema(task)
    table = make_table(400, seed)
    signal = table["unit price"].fillna(50) / 20 + table["index"] + 3 * (table["colour"] == "red")
    noisy = signal + np.random.default_rng(seed).normal(0, 1, len(table))
    target = noisy if task == "regression" else pd.qcut(noisy, len(CLASSES[task]), labels=False)
    model = _fit(table, schema, target)
    files = dict.fromkeys(REQUIRED, b"nothing asks for it\n")
    files |= {"schema.json": schema.to_json().encode(), "model.skops": skops.io.dumps(model)}
    if onnx:
        files["model.onnx"] = _convert(model, schema)
    return save_bundle(directory, files, {"seed": seed})


def _fit(table: pd.DataFrame, schema: FeatureSchema, target: Any) -> Pipeline:
    typed = table.assign(opened=table["opened"].dt.tz_localize("UTC"))
    frame = frame_of(*schema.to_matrices(typed), schema)
    split = len(schema.matrix_columns)
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    texts = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer(
        [
            ("numbers", numbers, list(range(split))),
            ("texts", texts, list(range(split, frame.shape[1]))),
        ]
    )
    regression = schema.target.task == "regression"
    model = LinearRegression() if regression else LogisticRegression(max_iter=1000)
    return Pipeline([("columns", columns), ("model", model)]).fit(frame, target)


def _convert(model: Pipeline, schema: FeatureSchema) -> bytes:
    inputs = [
        ("numeric", FloatTensorType([None, len(schema.matrix_columns)])),
        ("categorical", StringTensorType([None, len(schema.categorical)])),
    ]
    options = {} if schema.target.task == "regression" else {"zipmap": False}
    graph = convert_sklearn(
        model, "perennial", initial_types=inputs, options=options, target_opset=21
    )
    return bytes(graph.SerializeToString())
