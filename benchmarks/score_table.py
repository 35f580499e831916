"""The synthetic table and bundle of the scoring benchmark: 20 columns of every kind."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import skops.io
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from contracts.bundle import save_bundle
from contracts.bundle_files import REQUIRED
from contracts.model_frame import frame_of
from contracts.schema import Feature, FeatureSchema, Target

NUMBERS, TEXTS = 12, 4
CATEGORIES = [f"category {i}" for i in range(20)]
TRAINING_ROWS = 50_000
GROUP_ROWS = 1_000_000  # what pandas writes per row group


def make_schema() -> FeatureSchema:
    features = [Feature(f"number {i}", "numeric", True) for i in range(NUMBERS)]
    features += [Feature(f"count {i}", "integer", False) for i in range(2)]
    features += [Feature("flag", "boolean", False), Feature("moment", "datetime", False)]
    features += [
        Feature(f"text {i}", "categorical", True, categories=tuple(CATEGORIES))
        for i in range(TEXTS)
    ]
    return FeatureSchema(tuple(features), Target("answer", (0, 1)), "moment")


def make_rows(rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Plain types as a team's table has them; a tenth of the numbers is missing."""
    columns = {}
    for i in range(NUMBERS):
        values = rng.normal(size=rows).round(4)
        columns[f"number {i}"] = np.where(rng.random(rows) < 0.1, np.nan, values)
    for i in range(2):
        columns[f"count {i}"] = rng.integers(0, 100, rows)
    columns["flag"] = rng.random(rows) < 0.5
    seconds = rng.integers(0, 365 * 86_400, rows).astype("timedelta64[s]")
    columns["moment"] = np.datetime64("2024-01-01", "s") + seconds
    names = np.array(CATEGORIES, dtype=object)
    for i in range(TEXTS):
        columns[f"text {i}"] = names[rng.integers(0, len(names), rows)]
    return pd.DataFrame(columns)


def make_answers(table: pd.DataFrame, rng: np.random.Generator) -> np.ndarray:
    """int (n,): 0 or 1, as three of the columns and chance have it."""
    signal = table["number 0"].fillna(0) + (table["text 0"] < "category 2") + table["count 0"] / 50
    return (signal + rng.normal(size=len(table)) > 1).to_numpy().astype(int)


def write_table(path: Path, rows: int, rng: np.random.Generator) -> None:
    """A Parquet file of `rows` rows, made in groups, so that any size fits."""
    groups = [min(GROUP_ROWS, rows - start) for start in range(0, rows, GROUP_ROWS)]
    first = pa.Table.from_pandas(make_rows(1, rng), preserve_index=False)
    with pq.ParquetWriter(path, first.schema) as writer:
        for size in groups:
            table = pa.Table.from_pandas(make_rows(size, rng), first.schema, preserve_index=False)
            writer.write_table(table, row_group_size=GROUP_ROWS)


def make_bundle(directory: Path, rng: np.random.Generator) -> None:
    """Gradient boosting of 100 trees on one-hot texts, saved as a bundle."""
    schema = make_schema()
    table = make_rows(TRAINING_ROWS, rng)
    target = make_answers(table, rng)
    typed = table.assign(moment=table["moment"].dt.tz_localize("UTC"))
    frame = frame_of(*schema.to_matrices(typed), schema)
    model = _pipeline(schema).fit(frame, target)
    files = dict.fromkeys(REQUIRED, b"nothing asks for it\n")
    files |= {"schema.json": schema.to_json().encode(), "model.skops": skops.io.dumps(model)}
    files["model.onnx"] = _convert(model, schema)
    save_bundle(directory, files, {})


def _pipeline(schema: FeatureSchema) -> Pipeline:
    split = len(schema.matrix_columns)
    texts = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    columns = ColumnTransformer(
        [
            ("numbers", "passthrough", list(range(split))),
            ("texts", texts, list(range(split, split + TEXTS))),
        ]
    )
    model = HistGradientBoostingClassifier(early_stopping=False, random_state=0)
    return Pipeline([("columns", columns), ("model", model)])


def _convert(model: Pipeline, schema: FeatureSchema) -> bytes:
    inputs = [
        ("numeric", FloatTensorType([None, len(schema.matrix_columns)])),
        ("categorical", StringTensorType([None, TEXTS])),
    ]
    graph = convert_sklearn(
        model, "perennial", initial_types=inputs, options={"zipmap": False}, target_opset=21
    )
    return bytes(graph.SerializeToString())
