"""Hold-out frames of every task made by hand, and what judges them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from contracts.bundle import save_bundle
from contracts.params import Params
from contracts.schema import ANSWER, BASELINE, GROUP, Feature, FeatureSchema, Target
from pipeline.evaluation.measures import measure

TARGETS = {
    "binary": Target("late", (0, 1), 0.4),
    "multiclass": Target("late", ("no", "a bit", "very"), task="multiclass"),
    "regression": Target("late", task="regression", margin=1.6, coverage=0.9),
}
FEATURES = (
    Feature("hour of day", "integer", False, 0, 23, example=17),
    Feature("temp", "numeric", True, -10.0, 30.0, example=11.5),
    Feature("when", "datetime", False, 0, 1, example="2013-01-05T10:00:00"),
    Feature("carrier", "categorical", False, categories=("AA", "UA"), example="UA"),
    Feature("index", "boolean", False, 0, 1, example=True),
)
DAYS = 20
MONITORING = {
    "schedule": "0 6 * * *",
    "window_days": 7,
    "performance_days": 28,
    "max_rows": 20000,
    "policy": {
        "min_rows": 1,
        "min_outcomes": 1,
        "min_outcome_days": 1,
        "min_days": 2,
        "cooldown_days": 1,
        "performance_t": 2.0,
    },
    "gate": {"min_days": 2, "min_rows": 1, "min_t": 0.5},
    "retrain": {"deadline_minutes": 1},
}


def make_schema(task: str) -> FeatureSchema:
    return FeatureSchema(FEATURES, TARGETS[task], "event_time")


def make_params(task: str = "binary", split: str = "shuffled", **sections: Any) -> Params:
    target = TARGETS[task]
    data = {"source": "here", "until": "2013-03-01", "timestamp": "event_time", "id": "order",
            "task": task, "target": "late", "classes": list(target.classes), "min_rows": 10,
            "split": split}  # fmt: skip
    features = {f.name: {"kind": f.kind, "nullable": f.nullable} for f in FEATURES}
    search = {"iterations": 1, "folds": 2, "max_rows": 100, "scoring": "accuracy"}
    whole = {
        "data": data,
        "features": features,
        "train": {"seed": 1, "calibration_folds": 2, "search": search, "candidates": {"x": {}}},
        "evaluate": {"folds": 2, "bootstrap": 100, **sections.pop("evaluate", {})},
        "package": {"reference_rows": 10, "parity_rows": 10, "parity_tolerance": 0.1},
        "monitoring": MONITORING,
        **sections,
    }
    return Params.model_validate(whole)


def make_holdout(task: str, rows: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Rows that a model knows something about; those of `carrier` UA at night it answers badly."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "hour of day": rng.integers(0, 24, rows).astype(np.float32),
            "temp": np.where(rng.random(rows) < 0.1, np.nan, rng.normal(10, 8, rows)),
            "when": pd.Timestamp("2013-01-01", tz="UTC")
            + pd.to_timedelta(rng.integers(0, 900_000, rows), unit="s"),
            "carrier": rng.choice(np.array(["AA", "UA"], object), rows),
            "index": rng.integers(0, 2, rows).astype(np.float32),
            "event_time": pd.Timestamp("2013-02-01", tz="UTC")
            + pd.to_timedelta(np.sort(rng.integers(0, DAYS * 86_400, rows)), unit="s"),
        }
    )
    signal = (frame["hour of day"].to_numpy() - 12) / 6 + rng.normal(0, 0.3, rows)
    bad = ((frame["carrier"] == "UA") & (frame["hour of day"] < 6)).to_numpy()
    signal = np.where(bad, 0.0, signal)
    return _answer(task, frame, signal, rng)


def _answer(
    task: str, frame: pd.DataFrame, signal: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    target, hour = TARGETS[task], (frame["hour of day"].to_numpy() - 12) / 6
    if task == "regression":
        truths = signal + rng.normal(0, 0.5, len(frame)) + 10
        return frame.assign(**{"late": truths, ANSWER + "value": hour + 10,
                               BASELINE + "value": 10.0})  # fmt: skip
    centres = np.array([-1.0, 1.0]) if task == "binary" else np.array([-1.5, 0.0, 1.5])
    usual = np.where(centres == 0, 0.8, 0.0)  # the class in the middle is often the likeliest
    chances = _softmax(hour[:, None] * centres + usual)
    true = _softmax(signal[:, None] * centres + usual).cumsum(axis=1)
    truths = (rng.random(len(frame))[:, None] > true[:, :-1]).sum(axis=1)
    labels = np.array(target.classes, object)[truths]
    frame["late"] = pd.Series(labels).infer_objects()
    for k, output in enumerate(target.outputs):
        frame[ANSWER + output] = chances[:, k]
        frame[BASELINE + output] = float((truths == k).mean())
    return frame


def with_groups(frame: pd.DataFrame, size: int) -> pd.DataFrame:
    """Every `size` consecutive rows belong together."""
    return frame.assign(**{GROUP: [f"g{i // size}" for i in range(len(frame))]})


def _softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def make_bundle(directory: Path, task: str, seed: int = 0, **target: Any) -> str:
    """A bundle whose model learned from 500 rows of another seed; its metrics are those of `task`.

    Args:
        target: what the saved schema's target says differently.
    """
    schema = make_schema(task)
    saved = replace(schema, target=replace(schema.target, **target))
    frame = make_holdout(task, 500, seed + 100)
    numeric, _ = schema.to_matrices(frame)
    kind = LinearRegression() if task == "regression" else LogisticRegression(max_iter=1000)
    model = make_pipeline(SimpleImputer(), StandardScaler(), kind)
    model.fit(numeric, schema.target.truths(frame["late"]).astype(np.float32))
    options = {} if task == "regression" else {"zipmap": False}
    inputs = [("numeric", FloatTensorType([None, numeric.shape[1]]))]
    converted = convert_sklearn(model, "m", inputs, options=options, target_opset=21)
    metrics = measure(make_holdout(task), schema, make_params(task), np.random.default_rng(0))
    files = {
        "schema.json": saved.to_json().encode(),
        "model.onnx": converted.SerializeToString(),
        "model.skops": b"",
        "reference.parquet": b"",
        "unseen.parquet": b"",
        "metrics.json": json.dumps(metrics).encode(),
        "model_card.md": b"",
        "model_card.html": b"",
    }
    facts = {"trained_from": "2013-01-01T00:00:00+00:00",
             "trained_until": f"2013-02-01T0{seed}:00:00+00:00"}  # fmt: skip
    return save_bundle(directory, files, facts)
