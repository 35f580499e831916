"""Rows of the predictions table from a chunk and its answers, as the service logs its own."""

import json
from datetime import datetime
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.schema import Feature, FeatureSchema, Target

MOMENT = pa.timestamp("us", "UTC")


def ledger_rows(
    columns: dict[str, Any],
    found: pa.Table,
    answers: NDArray[np.float32],
    schema: FeatureSchema,
    now: datetime,
) -> pa.Table:
    """One row per row of the chunk, with the columns of contracts/tables.predictions.

    Args:
        columns: typed features, and the schema's timestamp where the table has one.
        found: has prediction_id, model_version, prediction, and low and high of a regression.
        answers: (n, outputs).
    """
    moment = pa.scalar(now, MOMENT)
    predictions = [json.dumps(value) for value in found.column("prediction").to_pylist()]
    return pa.table(
        {
            "prediction_id": found.column("prediction_id"),
            "predicted_at": pa.repeat(moment, len(found)),
            "event_time": _event_times(columns.get(schema.timestamp), len(found), moment),
            "model_version": found.column("model_version"),
            "features": pa.array(_feature_texts(columns, schema), pa.string()),
            "prediction": pa.array(predictions, pa.string()),
            "probability": _probability(answers, schema.target),
            "scores": _scores(found, answers, schema.target),
        }
    )


def _event_times(moments: Any, rows: int, now: pa.Scalar) -> pa.Array:
    """When each row became a question, where the table says so; else now."""
    if moments is None:
        return pa.repeat(now, rows)
    return pc.fill_null(pa.array(moments.to_numpy("datetime64[us]")).cast(MOMENT), now)


def _feature_texts(columns: dict[str, Any], schema: FeatureSchema) -> list[str]:
    """JSON objects, null = missing."""
    encode, names = msgspec.json.Encoder().encode, schema.names
    values = [_plain_values(columns[feature.name], feature) for feature in schema.features]
    rows = zip(*values, strict=True)
    return [encode(dict(zip(names, row, strict=True))).decode() for row in rows]


def _plain_values(values: Any, feature: Feature) -> list[Any]:
    if feature.kind == "categorical":
        return list(values)
    if feature.kind == "datetime":
        texts = np.datetime_as_string(values.to_numpy("datetime64[s]"))
        return [None if text == "NaT" else f"{text}Z" for text in texts]
    numbers = pa.array(values, from_pandas=True)
    if feature.kind == "boolean":
        numbers = numbers.cast(pa.float64()).cast(pa.bool_())
    elif feature.kind == "integer":
        numbers = pc.cast(numbers, pa.int64(), safe=False)
    else:  # by way of the shortest text: the float32 of 0.1 is logged as 0.1
        numbers = numbers.cast(pa.string()).cast(pa.float64())
    plain: list[Any] = numbers.to_pylist()
    return plain


def _probability(answers: NDArray[np.float32], target: Target) -> pa.Array:
    """Of the positive class, or of the predicted one; none of a regression."""
    if target.task == "regression":
        return pa.nulls(len(answers), pa.float64())
    found = answers[:, -1] if target.task == "binary" else answers.max(axis=1)
    return pa.array(found.astype(np.float64))


def _scores(found: pa.Table, answers: NDArray[np.float32], target: Target) -> pa.Array:
    """JSON arrays: every class's probability, or [low, high] of a regression; else null."""
    if target.task == "multiclass":
        return pa.array([json.dumps(row) for row in answers.astype(np.float64).tolist()])
    if target.task == "regression" and target.margin is not None:
        bounds = zip(*(found.column(name).to_pylist() for name in ("low", "high")), strict=True)
        return pa.array([json.dumps(pair) for pair in bounds])
    return pa.nulls(len(answers), pa.string())
