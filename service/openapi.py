"""The API's description, made from the champion's schema: real names, kinds and an example."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from contracts.schema import Feature, FeatureSchema, Target
from service.values import SHOWN_CATEGORIES, describe

_JSON_TYPES = {"numeric": "number", "integer": "integer", "categorical": "string",
               "datetime": "string"}  # fmt: skip
_EVENT_TIME = {
    "type": "string",
    "format": "date-time",
    "description": "when the question arose, ISO 8601 with a zone; now if absent",
}


def describe_api(app: FastAPI, schema: FeatureSchema | None, version: str | None) -> dict[str, Any]:
    """The OpenAPI document; generic while there is no champion."""
    document = get_openapi(
        title="Perennial",
        version=version or "no champion yet",
        summary="A monitored model: predictions, outcomes, versions and reports",
        routes=app.routes,
    )
    components = document.setdefault("components", {}).setdefault("schemas", {})
    components |= {
        "Row": _named_row(schema),
        "PositionalRow": _positional_row(schema),
        "Predictions": _predictions(schema),
        "Problems": _problems(),
        "Problem": _object({"detail": {"type": "string"}}),
    }
    document["paths"] = {"/predict": {"post": _predict(schema)}, **document["paths"]}
    _describe_outcomes(document["paths"]["/outcomes"]["post"], schema)
    return document


def _predict(schema: FeatureSchema | None) -> dict[str, Any]:
    return {
        "summary": "Predict one or many rows",
        "description": "Every row is in the ledger before the answer leaves.",
        "operationId": "predict",
        "requestBody": {"required": True, "content": _content(_forms(), _examples(schema))},
        "responses": {
            "200": _response("one entry a row, in the request's order", "Predictions"),
            "413": _response("the body is too large", "Problem"),
            "422": _response("the request is invalid; nothing was predicted", "Problems"),
            "503": _response("nothing could be answered durably; try again", "Problem"),
        },
    }


def _forms() -> dict[str, Any]:
    row, positional = {"$ref": _ref("Row")}, {"$ref": _ref("PositionalRow")}
    instances = {"type": "array", "minItems": 1, "items": {"oneOf": [row, positional]}}
    return {
        "oneOf": [
            _form("named", {"features": row}),
            _form("positional", {"features": positional}),
            _form("many rows", {"instances": instances}),
        ]
    }


def _form(title: str, properties: dict[str, Any]) -> dict[str, Any]:
    form = _object({**properties, "event_time": _EVENT_TIME}, required=list(properties))
    return {"title": title, **form}


def _named_row(schema: FeatureSchema | None) -> dict[str, Any]:
    if schema is None:
        return {"type": "object", "description": "name -> value"}
    required = [feature.name for feature in schema.features if not feature.nullable]
    row = _object({f.name: _property(f) for f in schema.features}, required=required)
    return {**row, "example": schema.example()}


def _positional_row(schema: FeatureSchema | None) -> dict[str, Any]:
    if schema is None:
        return {"type": "array", "items": {}, "description": "values in schema order"}
    size = len(schema.features)
    return {
        "type": "array",
        "description": f"values in this order: {', '.join(schema.names)}",
        "items": {},
        "minItems": size,
        "maxItems": size,
        "example": list(schema.example().values()),
    }


def _property(feature: Feature) -> dict[str, Any]:
    shown: dict[str, Any] = {
        **_value(feature),
        "description": describe(feature),
        "x-kind": feature.kind,
        "example": feature.example,
    }
    if feature.kind == "datetime":
        return shown
    if feature.low is not None and feature.high is not None:
        shown["x-seen-range"] = [feature.low, feature.high]
    if feature.categories:
        shown["x-seen-categories"] = list(feature.categories[:SHOWN_CATEGORIES])
    return shown


def _value(feature: Feature) -> dict[str, Any]:
    if feature.kind != "boolean":
        kind = _JSON_TYPES[feature.kind]
        return {"type": [kind, "null"] if feature.nullable else kind}
    forms: list[dict[str, Any]] = [{"type": "boolean"}, {"enum": [0, 1, *feature.words]}]
    return {"anyOf": [*forms, {"type": "null"}] if feature.nullable else forms}


def _examples(schema: FeatureSchema | None) -> dict[str, Any]:
    if schema is None:
        return {}
    row = schema.example()
    values = list(row.values())
    return {
        "named": {"value": {"features": row}},
        "positional": {"value": {"features": values}},
        "many rows": {"value": {"instances": [row, values]}},
    }


def _predictions(schema: FeatureSchema | None) -> dict[str, Any]:
    answers = _answers(schema.target) if schema else {"prediction": {}}
    properties = {
        **{name: {"type": "array", "items": item} for name, item in answers.items()},
        "prediction_id": {"type": "array", "items": {"type": "string", "format": "uuid"}},
        "model_version": {"type": "string"},
    }
    return _object(properties, required=list(properties))


def _answers(target: Target) -> dict[str, Any]:
    """One entry a row of every list that answers."""
    number = {"type": "number"}
    if target.task == "regression":
        value = {**number, "description": target.name}
        if target.margin is None:
            return {"prediction": value}
        share = f"[low, high]; holds the true value in {target.coverage:.0%} of rows"
        return {"prediction": value, "interval": _list_of(number, 2, share)}
    classes = list(target.classes)
    label = {"enum": classes, "description": f"class of {target.name}"}
    if target.task == "binary":
        chance = {**number, "description": f"of the class {classes[1]}"}
        return {"prediction": label, "probability": chance}
    order = f"of the classes {', '.join(map(str, classes))}, in this order"
    return {"prediction": label, "probability": _list_of(number, len(classes), order)}


def _list_of(item: dict[str, Any], size: int, description: str) -> dict[str, Any]:
    return {"type": "array", "items": item, "minItems": size, "maxItems": size,
            "description": description}  # fmt: skip


def _problems() -> dict[str, Any]:
    one = _object(
        {
            "row": {"type": ["integer", "null"], "description": "from 0; null = the whole request"},
            "field": {"type": ["string", "null"]},
            "problem": {"type": "string"},
            "allowed": {"type": "string"},
        }
    )
    return _object({"detail": {"type": "array", "items": one}})


def _describe_outcomes(operation: dict[str, Any], schema: FeatureSchema | None) -> None:
    label: dict[str, Any] = {}
    if schema:
        numbers = schema.target.task == "regression"
        label = {"type": "number"} if numbers else {"enum": list(schema.target.classes)}
    observed = {**_EVENT_TIME, "description": "when it became known; now if absent"}
    properties = {"prediction_id": {"type": "string"}, "outcome": label, "observed_at": observed}
    one = _object(properties, required=["prediction_id", "outcome"])
    many = {"outcomes": {"type": "array", "minItems": 1, "items": one}}
    form = {"oneOf": [_object(many, required=["outcomes"]), one]}
    operation["requestBody"] = {"required": True, "content": _content(form, {})}
    operation["responses"] = {
        "200": {"description": "all recorded, corrected or unchanged"},
        "207": {"description": "some ids are unknown; each result has its own code"},
        "404": {"description": "every id is unknown"},
        "422": _response("the request is invalid; nothing was recorded", "Problems"),
        "503": _response("nothing could be recorded durably; try again", "Problem"),
    }


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    return shape if required is None else {**shape, "required": required}


def _content(schema: dict[str, Any], examples: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": schema, "examples": examples} if examples else {"schema": schema}
    return {"application/json": content}


def _response(description: str, name: str) -> dict[str, Any]:
    return {"description": description, "content": _content({"$ref": _ref(name)}, {})}


def _ref(name: str) -> str:
    return f"#/components/schemas/{name}"
