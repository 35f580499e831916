"""The adapters' part of the API's description: what each path takes, answers and refuses."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from contracts.schema import Feature, FeatureSchema
from service.api.refusals import content, declare_refusals
from service.api.rows import Shape, an_object, answers, value
from service.protocols.errors import is_v2
from service.protocols.media import CSV, JSON, LINES
from service.protocols.outputs import describe_outputs
from service.protocols.tensors import DATATYPES, INTEGERS, REALS
from service.protocols.v2 import MODEL, VERSION
from service.protocols.vertex import PREDICT

_ROW: Shape = {"oneOf": [{"$ref": "#/components/schemas/Row"},
                         {"$ref": "#/components/schemas/PositionalRow"}]}  # fmt: skip
_TEXT: Shape = {"type": "string"}
_BYTES: Shape = {"type": "string", "format": "binary"}
_OPEN: Shape = {"type": "object"}
_CELLS = {
    "numeric": r"-?[0-9]{1,9}(\.[0-9]{1,9})?",
    "integer": "-?[0-9]{1,9}",
    "boolean": "true|false",
    "categorical": r'[^",\r\n\x00]{1,1000}',
    "datetime": "[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])T[01][0-9]:[0-5][0-9]Z",
}
_MOMENT: Shape = {"type": "string", "format": "date-time"}


def describe_adapters(
    document: dict[str, Any],
    schema: FeatureSchema | None,
    version: str | None,
    model_name: str,
    max_rows: int,
) -> None:
    """Complete the adapters' operations, which FastAPI knows by path and parameters only."""
    paths = document["paths"]
    rows: Shape = {"type": "array", "minItems": 1, "maxItems": max_rows, "items": _ROW}
    invocations = paths["/invocations"]["post"]
    _set(invocations, _invocation_bodies(rows, schema), _invocation_answers(schema))
    invocations["responses"]["406"] = {"description": "nothing acceptable can be answered"}
    _set(paths[PREDICT]["post"], {JSON: _vertex_form(rows)}, {JSON: _vertex_answer(schema)})
    for path in (MODEL, VERSION):
        infer = paths[path + "/infer"]["post"]
        _set(infer, {JSON: _infer_form(schema)},
             {JSON: _infer_answer(), "application/octet-stream": _BYTES})  # fmt: skip
    declare_refusals(document)  # again, as bodies were not known to it
    for path, operations in paths.items():
        for operation in operations.values():
            _name_parameters(operation, path, {"name": model_name, "version": version})
            _shape_refusals(operation, path)
    _describe_reading(paths)


def _set(operation: dict[str, Any], bodies: dict[str, Shape], answered: dict[str, Shape]) -> None:
    operation["requestBody"] = {"required": True, "content": _each(bodies)}
    operation["responses"]["200"] = {"description": "one entry a row, in order",
                                     "content": _each(answered)}  # fmt: skip


def _each(shapes: dict[str, Shape]) -> dict[str, Any]:
    return {kind: {"schema": shape} for kind, shape in shapes.items()}


def _invocation_bodies(rows: Shape, schema: FeatureSchema | None) -> dict[str, Shape]:
    positional = {**rows, "items": {"$ref": "#/components/schemas/PositionalRow"}}
    names: Shape = {"const": schema.names} if schema else {"type": "array", "items": _TEXT}
    split = {"type": "object", "required": ["data"],
             "properties": {"columns": names, "data": positional}}  # fmt: skip
    forms = {"features": _ROW, "instances": rows, "inputs": rows, "dataframe_split": split,
             "dataframe_records": rows}  # fmt: skip
    beside = {"event_time": _MOMENT, "params": _parameters()}
    either = [an_object({name: form, **beside}, required=[name]) for name, form in forms.items()]
    return {JSON: {"oneOf": either}, CSV: _plain_table(schema), LINES: _TEXT}


def _plain_table(schema: FeatureSchema | None) -> Shape:
    """Lines without quotes; a header, quotes and other ways to write a number are read as well."""
    if schema is None:
        return _TEXT
    cells = [f"({_CELLS[f.kind]}){'?' if f.nullable else ''}" for f in schema.features]
    line = ",".join(cells)
    return {"type": "string", "pattern": f"^{line}(\\n{line})*$",
            "example": _line(schema)}  # fmt: skip


def _line(schema: FeatureSchema) -> str:
    return ",".join("" if cell is None else str(cell) for cell in schema.example().values())


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
    """A request with one row: that `data` fits `shape` is more than a schema can say of many."""
    features = schema.features if schema else ()
    names = [one["name"] for one in describe_outputs(schema.target)] if schema else []
    wanted = {"name": {"enum": names} if names else _TEXT, "parameters": _OPEN}
    outputs = {"type": "object", "properties": wanted, "required": ["name"]}
    inputs: Shape = {"type": "array", "minItems": 1}
    if features:
        size = len(features)
        inputs = {"type": "array", "prefixItems": [_one_value(f) for f in features],
                  "minItems": size, "maxItems": size}  # fmt: skip
    properties = {
        "id": {"type": ["string", "null"]},
        "parameters": {"type": "object", "properties": {"event_time": _MOMENT}},
        "inputs": inputs,
        "outputs": {"type": "array", "items": outputs},
    }
    return {"type": "object", "properties": properties, "required": ["inputs"]}


def _one_value(feature: Feature) -> Shape:
    """The tensor of one feature and one row; null = missing where it may be."""
    data = value(replace(feature, missing=(), words=()))
    if feature.kind in ("numeric", "integer"):
        whole = {**data, "type": ["integer", "null"] if feature.nullable else "integer"}
        return {"oneOf": [_one(feature, REALS, data), _one(feature, INTEGERS, whole)]}
    if feature.kind == "boolean":
        flag = {"type": ["boolean", "null"] if feature.nullable else "boolean"}
        return _one(feature, ["BOOL"], flag)
    if feature.kind == "datetime" and feature.nullable:
        data = {"anyOf": [data, {"const": ""}]}
    return _one(feature, ["BYTES"], data)


def _one(feature: Feature, datatypes: Sequence[str], data: Shape) -> Shape:
    parts = {
        "name": {"const": feature.name},
        "datatype": {"enum": list(datatypes)},
        "shape": {"enum": [[1], [1, 1]]},
        "data": {"type": "array", "items": data, "minItems": 1, "maxItems": 1},
    }
    return {"type": "object", "properties": parts, "required": list(parts)}


def _tensor(more: dict[str, Shape]) -> Shape:
    lengths = {"type": "array", "items": {"type": "integer"}}
    own = {"name": _TEXT, "datatype": {"enum": list(DATATYPES)}, "shape": lengths}
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
    tensors = {"type": "array", "items": _tensor({})}
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


def _name_parameters(operation: dict[str, Any], path: str, served: dict[str, str | None]) -> None:
    """There is one model, and one version of it that answers."""
    found = [
        {"name": name, "in": "path", "required": True,
         "schema": {"enum": [known]} if known else _TEXT}
        for name, known in served.items() if f"{{{name}}}" in path
    ]  # fmt: skip
    if is_v2(path) and found:
        operation["parameters"] = found
        operation["responses"]["404"] = {"description": "no such model, or version"}


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
