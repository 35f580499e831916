"""Small, real bundles: a scikit-learn pipeline on synthetic rows, converted and saved."""

import io
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
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from contracts.bundle import save_bundle
from contracts.bundle_files import GOLDEN
from contracts.schema import Feature, FeatureSchema, Target

EXAMPLE: dict[str, Any] = {"hour": 17, "temp": 61.5, "wind": None, "carrier": "UA", "origin": "JFK"}
ROWS = 400


def make_schema(**target: Any) -> FeatureSchema:
    """The schema of every bundle here: each kind, nullable and not."""
    return FeatureSchema(
        (
            Feature("hour", "integer", False, 0, 23, example=17),
            Feature("temp", "numeric", False, 10.0, 100.0, example=61.5),
            Feature("wind", "numeric", True, 0.0, 40.0, example=None),
            Feature("carrier", "categorical", False, categories=("AA", "DL", "UA"), example="UA"),
            Feature("origin", "categorical", True, categories=("EWR", "JFK"), example="JFK"),
        ),
        Target(**{"name": "late", "classes": (0, 1), "threshold": 0.5, **target}),
        "event_time",
    )


def make_rows(seed: int, rows: int = ROWS) -> pd.DataFrame:
    """Synthetic rows with a learnable `late`, some winds and origins missing."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "hour": random.integers(0, 24, rows).astype(float),
            "temp": random.uniform(10, 100, rows),
            "wind": np.where(random.random(rows) < 0.2, np.nan, random.uniform(0, 40, rows)),
            "carrier": random.choice(["AA", "DL", "UA"], rows),
            "origin": random.choice(["EWR", "JFK", ""], rows),
        }
    )
    signal = (frame["hour"] - 12) / 6 + (frame["carrier"] == "UA") + random.normal(0, 1, rows)
    frame["late"] = (signal > 0.5).astype(int)
    return frame


def train_model(frame: pd.DataFrame, schema: FeatureSchema) -> Pipeline:
    """A pipeline on the columns of numeric and text matrix side by side."""
    numeric = list(range(len(schema.numeric)))
    text = list(range(len(numeric), len(schema.names)))
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), numeric),
            ("text", OneHotEncoder(handle_unknown="ignore", sparse_output=False), text),
        ]
    )
    model = Pipeline([("columns", columns), ("model", LogisticRegression(max_iter=1000))])
    return model.fit(frame[schema.numeric + schema.categorical].to_numpy(object), frame["late"])


def convert_model(model: Pipeline, schema: FeatureSchema) -> bytes:
    inputs = [
        ("numeric", FloatTensorType([None, len(schema.numeric)])),
        ("categorical", StringTensorType([None, len(schema.categorical)])),
    ]
    options = {"zipmap": False}
    converted = convert_sklearn(
        model, "perennial", initial_types=inputs, options=options, target_opset=21
    )
    return bytes(converted.SerializeToString())


def make_bundle(
    directory: Path,
    *,
    seed: int = 0,
    onnx: bytes | None = None,
    golden: pd.DataFrame | None = None,
    **target: Any,
) -> str:
    """Train and save a bundle; returns its version. `onnx` puts other bytes in its place."""
    schema = make_schema(**target)
    frame = make_rows(seed)
    model = train_model(frame, schema)
    reference = io.BytesIO()
    frame.to_parquet(reference)
    files = {
        "schema.json": schema.to_json().encode(),
        "model.onnx": convert_model(model, schema) if onnx is None else onnx,
        "model.skops": skops.io.dumps(model),
        "reference.parquet": reference.getvalue(),
        "unseen.parquet": b"",
        "metrics.json": json.dumps({"log_loss": 0.5, "seed": seed}).encode(),
        "model_card.md": b"# A model for tests\n",
        "model_card.html": b"<h1>A model for tests</h1>\n",
    }
    if golden is not None:
        files[GOLDEN] = golden.to_parquet()
    facts = {"trained_from": "2013-01-01T00:00:00Z", "trained_until": "2013-04-01T00:00:00Z"}
    return save_bundle(directory, files, facts)
