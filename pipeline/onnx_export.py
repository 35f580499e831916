"""scikit-learn to ONNX, and the proof that both answer the same."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.pipeline import Pipeline

from contracts.onnx_model import OnnxModel
from contracts.schema import MAGNITUDE_LIMIT, MISSING_CATEGORY, FeatureSchema
from pipeline.frames import model_frame
from pipeline.onnx_steps import register_steps
from pipeline.search import answer_rows

OPSETS = {"": 21, "ai.onnx.ml": 3}
HOSTILE_ROWS = 1000
CHUNK_ROWS = 20_000
TIE = 1e-6  # float32 rounds there
# Moments that a calendar may get wrong: before the epoch, leap days, the ends of centuries.
HOSTILE_MOMENTS = ["1600-02-29", "1899-12-31T23:59:59", "1970-01-01", "2000-02-29", "2100-03-01"]


class ParityError(RuntimeError):
    """ONNX and scikit-learn answer differently, so ONNX may not serve."""


def to_onnx(model: Pipeline, schema: FeatureSchema) -> bytes:
    """Convert a fitted pipeline; inputs `numeric` and `categorical`.

    The same model gives the same bytes: the converter would draw a random graph name and list
    the operator sets in hash order.

    Raises:
        ParityError: it has no form in ONNX.
    """
    register_steps()
    inputs: list[tuple[str, Any]] = []
    if schema.matrix_columns:
        inputs.append(("numeric", FloatTensorType([None, len(schema.matrix_columns)])))
    if schema.categorical:
        inputs.append(("categorical", StringTensorType([None, len(schema.categorical)])))
    options = None if schema.target.task == "regression" else {"zipmap": False}
    try:
        graph = convert_sklearn(
            model, "perennial", initial_types=inputs, options=options, target_opset=OPSETS
        )
    except (NotImplementedError, RuntimeError, ValueError) as error:
        raise ParityError(f"it does not convert to ONNX: {error}") from None
    operator_sets = sorted(graph.opset_import, key=lambda each: each.domain)
    del graph.opset_import[:]
    graph.opset_import.extend(operator_sets)
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


def prove_parity(
    model: Pipeline, onnx: OnnxModel, frame: Any, tolerance: float, rng: np.random.Generator
) -> float:
    """The largest difference of answers on `frame` and on hostile variants of it.

    Returns:
        Of probabilities as they are; of a regression's values relative to themselves, or to the
        standard deviation of the answers to `frame` where that is larger: float32 cancels there.

    Raises:
        ParityError: it is above `tolerance`, a class differs, or an answer is not a number.
    """
    hostile = make_hostile(frame.head(HOSTILE_ROWS), onnx.schema, rng)
    spread = float(onnx.answers_of(frame).std())
    worst = max(_difference(model, onnx, rows, spread) for rows in _chunks(frame, hostile))
    if not worst <= tolerance:
        raise ParityError(
            f"ONNX differs from scikit-learn by {worst:.2g}, package.parity_tolerance is "
            f"{tolerance:.2g}; see docs/adr/0004 for what converts exactly"
        )
    return worst


def make_hostile(frame: Any, schema: FeatureSchema, rng: np.random.Generator) -> Any:
    """A copy with missing values, extremes, unseen and empty categories, odd moments strewn in."""
    hostile = frame.copy()
    hostile[schema.numeric] = hostile[schema.numeric].astype(np.float32)
    for name in schema.numeric:
        for value, share in ((np.nan, 0.3), (MAGNITUDE_LIMIT, 0.1), (-MAGNITUDE_LIMIT, 0.1)):
            hostile.loc[rng.random(len(hostile)) < share, name] = np.float32(value)
    for name in schema.categorical:
        for text, share in (("never seen ☃", 0.3), (MISSING_CATEGORY, 0.1)):
            hostile.loc[rng.random(len(hostile)) < share, name] = text
    for name in schema.datetimes:
        for moment in (None, *HOSTILE_MOMENTS):
            odd = rng.random(len(hostile)) < 0.1
            hostile.loc[odd, name] = pd.Timestamp(moment, tz="UTC") if moment else pd.NaT
    return hostile


def _chunks(*frames: Any) -> Iterator[Any]:
    for frame in frames:
        for start in range(0, len(frame), CHUNK_ROWS):
            yield frame.iloc[start : start + CHUNK_ROWS]


def _difference(model: Pipeline, onnx: OnnxModel, frame: Any, spread: float) -> float:
    schema = onnx.schema
    expected = answer_rows(model, model_frame(frame, schema), schema)
    found = onnx.answers_of(frame).astype(np.float64)
    if schema.target.task == "regression":
        scale = np.maximum(np.abs(expected), spread or 1.0)
        return float((np.abs(expected - found) / scale).max())
    if _flips(expected, found, schema):
        return np.inf
    return float(np.abs(expected - found).max())


def _flips(expected: np.ndarray, found: np.ndarray, schema: FeatureSchema) -> bool:
    """Whether a row gets another class, other than by rounding at a tie."""
    if schema.target.task == "binary":
        chosen = [answers[:, 1] >= schema.target.threshold for answers in (expected, found)]
        gap = np.abs(expected[:, 1] - schema.target.threshold)
    else:
        chosen = [answers.argmax(axis=1) for answers in (expected, found)]
        gap = np.diff(np.sort(expected, axis=1)[:, -2:], axis=1)[:, 0]
    return bool(((chosen[0] != chosen[1]) & (gap > TIE)).any())
