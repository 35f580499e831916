"""The adapters' part of the API's description: what each path takes, answers and refuses."""

from typing import Any

from contracts.schema import FeatureSchema
from service.openapi_errors import content
from service.openapi_rows import Shape, an_object, answers
from service.protocols.errors import is_v2
from service.protocols.media import CSV, JSON, LINES
from service.protocols.outputs import describe_outputs
from service.protocols.tensors import DATATYPES, MAX_LENGTH
from service.protocols.v2 import MODEL, VERSION
from service.protocols.vertex import PREDICT

_ROW: Shape = {"oneOf": [{"$ref": "#/components/schemas/Row"},
                         {"$ref": "#/components/schemas/PositionalRow"}]}  # fmt: skip
_TEXT: Shape = {"type": "string"}
_BYTES: Shape = {"type": "string", "format": "binary"}
_OPEN: Shape = {"type": "object"}
_MOMENT: Shape = {"type": "string", "format": "date-time"}


def describe_adapters(
    document: dict[str, Any],
    schema: FeatureSchema | None,
    version: str | None,
    model_name: str,
    max_rows: int,
) -> None:
    """Complete the adapters' operations; refusals must have been declared before."""
    paths = document["paths"]
    rows: Shape = {"type": "array", "minItems": 1, "maxItems": max_rows, "items": _ROW}
    _set(
        paths["/invocations"]["post"], _invocation_bodies(rows, schema), _invocation_answers(schema)
    )
    _set(paths[PREDICT]["post"], {JSON: _vertex_form(rows)}, {JSON: _vertex_answer(schema)})
    for path in (MODEL, VERSION):
        infer = paths[path + "/infer"]["post"]
        _set(infer, {JSON: _infer_form(schema), "application/octet-stream": _BYTES},
             {JSON: _infer_answer(), "application/octet-stream": _BYTES})  # fmt: skip
    for path, operations in paths.items():
        for operation in operations.values():
            _fix_parameters(operation, {"name": model_name, "version": version}, path)
            _shape_refusals(operation, path)
    _describe_reading(paths)


def _set(operation: dict[str, Any], bodies: dict[str, Shape], answered: dict[str, Shape]) -> None:
    operation["requestBody"] = {"required": True, "content": _each(bodies)}
    operation["responses"]["200"] = {"description": "one entry a row, in order",
                                     "content": _each(answered)}  # fmt: skip


def _each(shapes: dict[str, Shape]) -> dict[str, Any]:
    return {kind: {"schema": shape} for kind, shape in shapes.items()}


def _invocation_bodies(rows: Shape, schema: FeatureSchema | None) -> dict[str, Shape]:
    names: Shape = {"enum": schema.names} if schema else _TEXT
    split = {"columns": {"type": "array", "items": names, "uniqueItems": True},
             "data": {**rows, "items": {"type": "array"}}, "index": {"type": "array"}}  # fmt: skip
    columns = {"type": "object", "additionalProperties": {"type": "array"}}
    forms = {
        "features": _ROW,
        "instances": rows,
        "inputs": {"anyOf": [rows, columns]},
        "dataframe_split": {"type": "object", "properties": split, "required": ["data"]},
        "dataframe_records": rows,
    }
    beside = {"event_time": _MOMENT, "params": _parameters()}
    either = [an_object({name: form, **beside}, required=[name]) for name, form in forms.items()]
    return {JSON: {"oneOf": either}, CSV: _TEXT, LINES: _TEXT}


def _parameters() -> Shape:
    return {**an_object({"event_time": _MOMENT}), "type": ["object", "null"]}


def _invocation_answers(schema: FeatureSchema | None) -> dict[str, Shape]:
    lists = {name: {"type": "array", "items": one} for name, one in _entries(schema).items()}
    found = {**lists, "model_version": _TEXT, "predictions": lists["prediction"]}
    del found["prediction"]
    return {JSON: an_object(found, required=list(found)), CSV: _TEXT, LINES: _TEXT}


def _entries(schema: FeatureSchema | None) -> dict[str, Shape]:
    """What an answer has for one row."""
    found = answers(schema.target) if schema else {"prediction": {}}
    return {**found, "prediction_id": {"type": "string", "format": "uuid"}}


def _vertex_form(rows: Shape) -> Shape:
    return an_object({"instances": rows, "parameters": _parameters()}, required=["instances"])


def _vertex_answer(schema: FeatureSchema | None) -> Shape:
    entries = {**_entries(schema), "model_version": _TEXT}
    each = an_object(entries, required=list(entries))
    return an_object({"predictions": {"type": "array", "items": each}}, required=["predictions"])


def _infer_form(schema: FeatureSchema | None) -> Shape:
    """A tensor a feature or one of all; that `data` fits `shape` is more than a schema can say."""
    tensor = _tensor({"parameters": _OPEN, "data": {"type": "array"}})
    names = [one["name"] for one in describe_outputs(schema.target)] if schema else []
    wanted = {"name": {"enum": names} if names else _TEXT, "parameters": _OPEN}
    outputs = {"type": "object", "properties": wanted, "required": ["name"]}
    properties = {
        "id": {"type": ["string", "null"]},
        "parameters": _OPEN,
        "inputs": {"type": "array", "minItems": 1, "items": tensor},
        "outputs": {"type": "array", "items": outputs},
    }
    return {"type": "object", "properties": properties, "required": ["inputs"]}


def _tensor(more: dict[str, Shape]) -> Shape:
    length = {"type": "integer", "minimum": 1, "maximum": MAX_LENGTH}
    shape = {"type": "array", "minItems": 1, "maxItems": 2, "items": length}
    own = {"name": _TEXT, "datatype": {"enum": list(DATATYPES)}, "shape": shape}
    return {"type": "object", "properties": {**own, **more}, "required": list(own)}


def _infer_answer() -> Shape:
    parts = {
        "model_name": _TEXT,
        "model_version": _TEXT,
        "outputs": {"type": "array", "items": _tensor({"data": {"type": "array"}})},
    }
    return an_object({**parts, "id": _TEXT}, required=list(parts))


def _describe_reading(paths: dict[str, Any]) -> None:
    flag = {"type": "boolean"}
    server = {"name": _TEXT, "version": _TEXT, "extensions": {"type": "array", "items": _TEXT}}
    tensor = _tensor({})
    tensor["properties"] |= {"shape": {"type": "array", "items": {"type": "integer"}}}
    tensors = {"type": "array", "items": tensor}
    model = {"name": _TEXT, "versions": {"type": "array", "items": _TEXT}, "platform": _TEXT,
             "inputs": tensors, "outputs": tensors}  # fmt: skip
    shapes = {
        "/v2": server,
        "/v2/health/live": {"live": flag},
        "/v2/health/ready": {"ready": flag},
        **dict.fromkeys((MODEL, VERSION), model),
        **{f"{path}/ready": {"name": _TEXT, "ready": flag} for path in (MODEL, VERSION)},
    }
    for path, properties in shapes.items():
        shape = an_object(properties, required=list(properties))
        responses = paths[path]["get"]["responses"]
        responses["200"] = {"description": "as the protocol has it", "content": content(shape, {})}
        if path.endswith(("/live", "/ready")):  # the same answer, with false in it, or a refusal
            either = {"anyOf": [shape, _v2_error()]}
            responses["503"] = {"description": "not now", "content": content(either, {})}


def _fix_parameters(operation: dict[str, Any], served: dict[str, str | None], path: str) -> None:
    """There is one model, and one version of it that answers."""
    if is_v2(path):
        for parameter in operation.get("parameters", []):
            if served.get(parameter["name"]):
                parameter["schema"] = {"enum": [served[parameter["name"]]]}


def _shape_refusals(operation: dict[str, Any], path: str) -> None:
    """Errors as service/protocols/errors.py shapes them."""
    shape = _mlflow_error() if path == "/invocations" else _v2_error()
    if path == "/invocations" or is_v2(path):
        for status, one in operation["responses"].items():
            if status >= "400":
                one["content"] = content(shape, {})


def _v2_error() -> Shape:
    return an_object({"error": _TEXT}, required=["error"])


def _mlflow_error() -> Shape:
    detail = {"anyOf": [_TEXT, {"type": "array"}]}
    parts = {"error_code": _TEXT, "message": _TEXT, "detail": detail}
    return an_object(parts, required=list(parts))
