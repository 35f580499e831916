"""The model's tensors in the Open Inference Protocol, and answers as such tensors; pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from contracts.schema import Feature, FeatureSchema, Target
from service.ledger.answers import Answer
from service.protocols.tensors import TensorData, to_binary, to_json

_DATATYPES = {"numeric": "FP64", "integer": "INT64", "boolean": "BOOL"}


class WantedOutput(msgspec.Struct):
    """An output that a request asks for by name."""

    name: str
    parameters: dict[str, Any] = {}


def describe_inputs(schema: FeatureSchema) -> list[dict[str, Any]]:
    """The metadata of inputs, a tensor a feature: FP64 where NaN says that a number is missing."""
    return [
        {"name": feature.name, "datatype": _datatype(feature), "shape": [-1]}
        for feature in schema.features
    ]


def _datatype(feature: Feature) -> str:
    datatype = _DATATYPES.get(feature.kind, "BYTES")
    return "FP64" if feature.nullable and datatype != "BYTES" else datatype


def describe_outputs(target: Target) -> list[dict[str, Any]]:
    """The metadata of outputs."""
    shapes = {"prediction": (_label_type(target), [-1]), "prediction_id": ("BYTES", [-1])}
    if target.task != "regression":
        classes = len(target.classes)
        shapes["probability"] = ("FP64", [-1] if target.task == "binary" else [-1, classes])
    elif target.margin is not None:
        shapes["interval"] = ("FP64", [-1, 2])
    return [{"name": n, "datatype": kind, "shape": shape} for n, (kind, shape) in shapes.items()]


def _label_type(target: Target) -> str:
    if target.task == "regression":
        return "FP64"
    return "INT64" if all(isinstance(label, int) for label in target.classes) else "BYTES"


def to_outputs(answer: Answer, target: Target) -> dict[str, TensorData]:
    """Every output of an answer, in the order of the metadata."""
    found = {}
    for name in ("prediction", "probability", "interval", "prediction_id"):
        values: list[Any] | None = getattr(answer, name)
        if values is not None:
            found[name] = _to_tensor(name, values, _output_type(name, target))
    return found


def _output_type(name: str, target: Target) -> str:
    if name == "prediction":
        return _label_type(target)
    return "BYTES" if name == "prediction_id" else "FP64"


def _to_tensor(name: str, values: list[Any], datatype: str) -> TensorData:
    shape = [len(values)]
    if isinstance(values[0], list):
        shape.append(len(values[0]))
        values = [number for row in values for number in row]
    texts = datatype == "BYTES"
    return TensorData(name, datatype, shape, [str(v) for v in values] if texts else values)


def write_answer(
    outputs: Mapping[str, TensorData],
    wanted: Sequence[WantedOutput],
    *,
    binary: bool,
    head: Mapping[str, Any],
) -> tuple[bytes, int | None]:
    """The body of an answer, and how many bytes of it are JSON; None = all.

    Args:
        wanted: which outputs; empty = all.
        binary: whether they are in binary form where `wanted` does not say.
        head: what stands before them.
    """
    described: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for one in wanted or [WantedOutput(name) for name in outputs]:
        if one.parameters.get("binary_data", binary) is True:
            tensor, data = to_binary(outputs[one.name])
            parts.append(data)
        else:
            tensor = to_json(outputs[one.name])
        described.append(tensor)
    start = msgspec.json.encode({**head, "outputs": described})
    return b"".join([start, *parts]), len(start) if parts else None
