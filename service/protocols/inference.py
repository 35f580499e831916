"""Requests of the Open Inference Protocol to rows of one schema; pure, called by v2.py."""

from typing import Any, NamedTuple

import msgspec

from contracts.schema import Feature, FeatureSchema, Target
from service.answer.decoder import InvalidRequestError, Problem, read_event_time
from service.answer.values import safe_text
from service.protocols.cells import from_text
from service.protocols.errors import invalid
from service.protocols.outputs import WantedOutput, describe_outputs
from service.protocols.tables import Asked
from service.protocols.tensors import Tensor, read_values

_FORM = "a JSON object with inputs, as the Open Inference Protocol has it"
_HEADER = "Inference-Header-Content-Length"


class InferRequest(msgspec.Struct):
    """The JSON of a request; what else it holds is another server's and ignored."""

    inputs: list[Tensor]
    id: str | None = None
    parameters: dict[str, Any] = {}
    outputs: list[WantedOutput] = []


class Inference(NamedTuple):
    """A request with its rows."""

    request: InferRequest
    asked: Asked


def read_inference(
    body: bytes, header_length: str | None, schema: FeatureSchema, max_rows: int
) -> Inference:
    """Read a request.

    Args:
        header_length: the header Inference-Header-Content-Length: bytes of JSON before the tensors
            in binary form; None = the body is JSON.

    Raises:
        InvalidRequestError: it is not one, or its tensors are not rows of this schema.
    """
    size = _json_size(header_length, len(body))
    try:
        request = msgspec.json.decode(body[:size], type=InferRequest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise invalid(f"the body cannot be read: {error}", _FORM) from None
    if not request.inputs:
        raise invalid("is empty", "a tensor a feature, or one of all", field="inputs")
    _check_outputs(request, schema.target)
    rows = _rows(request.inputs, _parts(request.inputs, body[size:]), schema, max_rows)
    given = request.parameters
    event_time = read_event_time(given["event_time"]) if "event_time" in given else None
    return Inference(request, Asked(rows, event_time))


def _json_size(header_length: str | None, size: int) -> int:
    if header_length is None:
        return size
    if not (header_length.isascii() and header_length.isdigit()) or len(header_length) > 18:
        raise invalid(f"is {safe_text(header_length)!r}", "a number of bytes", field=_HEADER)
    if int(header_length) > size:
        raise invalid("is beyond the body", f"at most {size}", field=_HEADER)
    return int(header_length)


def _parts(tensors: list[Tensor], binary: bytes) -> list[bytes | None]:
    """The bytes of each tensor in binary form, None for the others."""
    found: list[bytes | None] = []
    at = 0
    for tensor in tensors:
        size = tensor.parameters.get("binary_data_size")
        if (size is None) == (tensor.data is None):
            allowed = "data, or the parameter binary_data_size"
            raise invalid("has no values, or two kinds", allowed, field=safe_text(tensor.name))
        if size is not None and (type(size) is not int or not 0 <= size <= len(binary) - at):
            allowed = "a number of bytes that the body has"
            raise invalid("has a wrong binary_data_size", allowed, field=safe_text(tensor.name))
        found.append(None if size is None else binary[at : at + size])
        at += size or 0
    if at < len(binary):
        raise invalid(f"{len(binary) - at} bytes belong to no tensor", "none left")
    return found


def _rows(
    tensors: list[Tensor], parts: list[bytes | None], schema: FeatureSchema, max_rows: int
) -> list[object]:
    """Rows as JSON values: of one tensor of all features, or of a tensor each."""
    features = {feature.name: feature for feature in schema.features}
    (first, *others), (part, *_) = tensors, parts
    if not others and len(first.shape) == 2 and first.name not in features:
        return _matrix_rows(first, part, schema, max_rows)
    columns: dict[str, list[Any]] = {}
    for tensor, binary in zip(tensors, parts, strict=True):
        feature = features.get(tensor.name)
        if feature is None or tensor.name in columns:
            allowed = f"each once of {', '.join(features)}; or one [n, {len(features)}] tensor"
            raise invalid("unknown or given twice", allowed, field=safe_text(tensor.name))
        columns[tensor.name] = _column(tensor, binary, feature, max_rows)
    if absent := [name for name in features if name not in columns]:
        allowed = "a tensor a feature; NaN, null or an empty text = missing"
        raise InvalidRequestError([Problem(None, name, "is missing", allowed) for name in absent])
    if len({len(values) for values in columns.values()}) > 1:
        raise invalid("tensors have different numbers of rows", "the same first dimension")
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def _column(tensor: Tensor, binary: bytes | None, feature: Feature, max_rows: int) -> list[Any]:
    if len(tensor.shape) == 2 and tensor.shape[1] != 1:
        raise invalid(f"has the shape {tensor.shape}", "[n] or [n, 1]", field=tensor.name)
    values = read_values(tensor, binary, max_rows)
    if tensor.datatype == "BYTES":
        return [None if one is None else from_text(one, feature.kind) for one in values]
    return values


def _matrix_rows(
    tensor: Tensor, binary: bytes | None, schema: FeatureSchema, max_rows: int
) -> list[object]:
    """Rows of a tensor (n, features) in schema order; texts are read as a table's cells are."""
    wide = len(schema.features)
    if tensor.shape[1] != wide:
        allowed = f"[n, {wide}]: {', '.join(schema.names)}"
        raise invalid(f"has the shape {tensor.shape}", allowed, field=safe_text(tensor.name))
    values = read_values(tensor, binary, max_rows)
    if tensor.datatype == "BYTES":
        kinds = [feature.kind for feature in schema.features]
        values = [v if v is None else from_text(v, kinds[i % wide]) for i, v in enumerate(values)]
    return [values[start : start + wide] for start in range(0, len(values), wide)]


def _check_outputs(request: InferRequest, target: Target) -> None:
    names = [output["name"] for output in describe_outputs(target)]
    for wanted in request.outputs:
        if wanted.name not in names:
            raise invalid(
                f"no output {safe_text(wanted.name)!r}", ", ".join(names), field="outputs"
            )
