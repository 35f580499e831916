"""Bundles of every task, with every kind of feature and names that no code should stumble over."""

import json
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

from contracts.bundle import Bundle, load_bundle, save_bundle
from contracts.model_frame import frame_of
from contracts.params import Kind, Task
from contracts.schema import EVENT_TIME, Feature, FeatureSchema, Target
from contracts.skops_model import answer

KINDS: dict[str, Kind] = {
    "index": "integer",
    'a "quoted", name': "numeric",
    "größe ☃.x": "numeric",
    "class": "boolean",
    "probability": "categorical",
    "values": "categorical",
    "seen at": "datetime",
}
WORDS = {"probability": ["red", "green", "blue"], "values": ["<b>", "it's", "☃"]}
CLASSES: dict[Task, tuple[str, ...]] = {
    "binary": ("no", "yes"),
    "multiclass": ("low", "middle", "high"),
    "regression": (),
}
ROWS = 300


def make_schema(task: Task, extra: int = 0) -> FeatureSchema:
    """Every feature may be missing; `extra` adds as many numeric ones."""
    kinds = {**KINDS, **{f"extra {i}": "numeric" for i in range(extra)}}
    features = tuple(Feature(name, kind, True) for name, kind in kinds.items())
    return FeatureSchema(features, Target("it", CLASSES[task], task=task), EVENT_TIME)


def make_rows(schema: FeatureSchema, seed: int = 0) -> pd.DataFrame:
    """Typed as prepared rows are, a tenth of each column missing, and the target in `it`."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({f.name: _column(f, rng) for f in schema.features})
    signal = frame["index"].fillna(5) - 5 + 3 * (frame["probability"] == "red")
    signal += 4 * frame["class"].fillna(0) + rng.normal(0, 1, ROWS)
    if schema.target.task == "regression":
        return frame.assign(it=signal)
    labels = np.array(schema.target.classes, dtype=object)
    cuts = np.quantile(signal, np.linspace(0, 1, len(labels) + 1)[1:-1])
    return frame.assign(it=labels[np.searchsorted(cuts, signal)])


def _column(feature: Feature, rng: np.random.Generator) -> pd.Series:
    missing = rng.random(ROWS) < 0.1
    if feature.kind == "categorical":
        return pd.Series(np.where(missing, None, rng.choice(WORDS[feature.name], ROWS)))
    if feature.kind == "datetime":
        seconds = rng.integers(1_300_000_000, 1_400_000_000, ROWS).astype("datetime64[s]")
        return pd.Series(np.where(missing, np.datetime64("NaT", "s"), seconds)).dt.tz_localize(
            "UTC"
        )
    high = 2 if feature.kind == "boolean" else 10
    numbers = rng.uniform(0, high, ROWS)
    whole = numbers if feature.kind == "numeric" else np.floor(numbers)
    return pd.Series(np.where(missing, np.nan, whole), dtype=np.float32)


def make_task_bundle(directory: Path, task: Task, *, extra: int = 0, onnx: bool = True) -> Bundle:
    """Train, save and load a bundle; without `onnx` it is served from skops."""
    schema = make_schema(task, extra)
    return save_table_bundle(directory, schema, make_rows(schema), onnx=onnx)


def save_table_bundle(
    directory: Path, schema: FeatureSchema, rows: pd.DataFrame, *, onnx: bool = True
) -> Bundle:
    """Train on prepared rows and save them, with the answers, as the reference; load the bundle."""
    model = _fit(rows, schema)
    answers = answer(model, frame_of(*schema.to_matrices(rows), schema), schema)
    whole = pd.concat([rows, pd.DataFrame(answers, columns=schema.answers)], axis=1)
    times = whole.get(EVENT_TIME, pd.Timestamp("2026-01-01", tz="UTC"))
    unseen = whole[[schema.target.name, *schema.answers]].assign(**{EVENT_TIME: times})
    files = {
        "schema.json": schema.to_json().encode(),
        "model.skops": skops.io.dumps(model),
        "reference.parquet": whole.to_parquet(),
        "unseen.parquet": unseen.to_parquet(),
        "metrics.json": json.dumps({"log_loss": 0.5, "nested": {"rows": ROWS}}).encode(),
        "model_card.md": b"# A model for tests\n",
        "model_card.html": b"<h1>A model for tests</h1>\n",
    }
    if onnx:
        files["model.onnx"] = _convert(model, schema)
    save_bundle(
        directory,
        files,
        {"trained_from": "2013-01-01T00:00Z", "trained_until": "2013-04-01T00:00Z"},
    )
    return load_bundle(directory)


def _fit(rows: pd.DataFrame, schema: FeatureSchema) -> Pipeline:
    numeric = list(range(len(schema.matrix_columns)))
    text = [len(numeric) + i for i in range(len(schema.categorical))]
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer([("numbers", numbers, numeric), ("text", one_hot, text)])
    regression = schema.target.task == "regression"
    final: Any = LinearRegression() if regression else LogisticRegression(max_iter=1000)
    model = Pipeline([("columns", columns), ("model", final)])
    target = rows[schema.target.name]
    if not regression:  # the order of predict_proba is that of the schema
        numbers_of = {label: i for i, label in enumerate(schema.target.classes)}
        target = target.map(numbers_of)
    return model.fit(frame_of(*schema.to_matrices(rows), schema), target)


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
