"""scikit-learn to ONNX, and the proof that both answer the same."""

from typing import Any

import numpy as np
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.pipeline import Pipeline

from contracts.onnx_model import OnnxModel
from contracts.schema import MAGNITUDE_LIMIT, MISSING_CATEGORY, FeatureSchema
from pipeline.frames import model_frame

OPSET = 21
HOSTILE_ROWS = 1000


class ParityError(RuntimeError):
    """ONNX and scikit-learn answer differently, so there is no bundle."""


def to_onnx(model: Pipeline, schema: FeatureSchema) -> bytes:
    """Convert a fitted pipeline; inputs `numeric` and `categorical`, output `probabilities`.

    The same model gives the same bytes: the converter would draw a random graph name and list
    the operator sets in hash order.
    """
    inputs: list[tuple[str, Any]] = []
    if schema.numeric:
        inputs.append(("numeric", FloatTensorType([None, len(schema.numeric)])))
    if schema.categorical:
        inputs.append(("categorical", StringTensorType([None, len(schema.categorical)])))
    graph = convert_sklearn(
        model, "perennial", initial_types=inputs, options={"zipmap": False}, target_opset=OPSET
    )
    operator_sets = sorted(graph.opset_import, key=lambda each: each.domain)
    del graph.opset_import[:]
    graph.opset_import.extend(operator_sets)
    content: bytes = graph.SerializeToString(deterministic=True)
    return content


def prove_parity(
    model: Pipeline, onnx: OnnxModel, frame: Any, tolerance: float, rng: np.random.Generator
) -> float:
    """The largest difference of probability on `frame` and on hostile variants of it.

    Raises:
        ParityError: it is above `tolerance`, or an answer is not a number.
    """
    hostile = make_hostile(frame.head(HOSTILE_ROWS), onnx.schema, rng)
    worst = max(_difference(model, onnx, rows) for rows in (frame, hostile))
    if not worst <= tolerance:
        raise ParityError(
            f"ONNX differs from scikit-learn by {worst:.2g}, package.parity_tolerance is "
            f"{tolerance:.2g}; see docs/adr/0004 for what converts exactly"
        )
    return worst


def make_hostile(frame: Any, schema: FeatureSchema, rng: np.random.Generator) -> Any:
    """A copy with missing values, extremes, unseen and empty categories strewn in."""
    hostile = frame.copy()
    hostile[schema.numeric] = hostile[schema.numeric].astype(np.float32)
    for name in schema.numeric:
        for value, share in ((np.nan, 0.3), (MAGNITUDE_LIMIT, 0.1), (-MAGNITUDE_LIMIT, 0.1)):
            hostile.loc[rng.random(len(hostile)) < share, name] = np.float32(value)
    for name in schema.categorical:
        for text, share in (("never seen ☃", 0.3), (MISSING_CATEGORY, 0.1)):
            hostile.loc[rng.random(len(hostile)) < share, name] = text
    return hostile


def _difference(model: Pipeline, onnx: OnnxModel, frame: Any) -> float:
    expected = model.predict_proba(model_frame(frame, onnx.schema))[:, 1]
    return float(np.abs(expected - onnx.probability_of(frame)).max())
