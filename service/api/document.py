"""The API's description, made from the champion's schema: real names, kinds and an example."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from contracts.schema import FeatureSchema
from service.api.refusals import content, declare_refusals, problem, problems, response
from service.api.rows import (
    Shape,
    an_object,
    answers,
    named_row,
    positional_row,
    true_label,
)

_MOMENT: Shape = {
    "type": "string",
    "format": "date-time",
    "description": "when the question arose, ISO 8601 with a zone; now if absent",
}


def describe_api(
    app: FastAPI, schema: FeatureSchema | None, version: str | None, max_rows: int
) -> dict[str, Any]:
    """The OpenAPI document; generic while there is no champion."""
    document = get_openapi(
        title="Perennial",
        version=version or "no champion yet",
        summary="A monitored model: predictions, outcomes, versions and reports",
        routes=app.routes,
    )
    components = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):  # our refusals have a form of their own
        components.pop(name, None)
    components |= {
        "Row": named_row(schema),
        "PositionalRow": positional_row(schema),
        "Predictions": _predictions(schema),
        "Results": _results(),
        "Wanted": _wanted(schema),
        "Problems": problems(),
        "Problem": problem(),
    }
    document["paths"] = {"/predict": {"post": _predict(schema, max_rows)}, **document["paths"]}
    _describe_outcomes(document["paths"]["/outcomes"]["post"], schema, max_rows)
    told = response("the most wanted first; none = all have outcomes", "Wanted")
    document["paths"]["/outcomes/wanted"]["get"]["responses"] = {"200": told}
    declare_refusals(document)
    return document


def _predict(schema: FeatureSchema | None, max_rows: int) -> dict[str, Any]:
    return {
        "summary": "Predict one or many rows",
        "description": "Every row is in the ledger before the answer leaves.",
        "operationId": "predict",
        "requestBody": {"required": True, "content": content(_forms(max_rows), _examples(schema))},
        "responses": {
            "200": {
                **response("one entry a row, in the request's order", "Predictions"),
                "links": _links(schema),
            },
        },
    }


def _forms(max_rows: int) -> Shape:
    row, positional = {"$ref": _ref("Row")}, {"$ref": _ref("PositionalRow")}
    either = {"oneOf": [row, positional]}
    instances = {"type": "array", "minItems": 1, "maxItems": max_rows, "items": either}
    return {
        "oneOf": [
            _form("named", {"features": row}),
            _form("positional", {"features": positional}),
            _form("many rows", {"instances": instances}),
        ]
    }


def _form(title: str, properties: dict[str, Any]) -> Shape:
    form = an_object({**properties, "event_time": _MOMENT}, required=list(properties))
    return {"title": title, **form}


def _links(schema: FeatureSchema | None) -> dict[str, Any]:
    """Where the id of an answer leads."""
    asked = {"prediction_id": "$response.body#/prediction_id/0"}
    links: dict[str, Any] = {
        name: {"operationId": operation, "parameters": asked}
        for name, operation in (("row", "get_prediction"), ("explanation", "get_explanation"))
    }
    if schema and schema.target.classes:
        body = {**asked, "outcome": schema.target.classes[0]}
        links["outcome"] = {"operationId": "post_outcomes", "requestBody": body}
    return links


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


def _predictions(schema: FeatureSchema | None) -> Shape:
    lists = answers(schema.target) if schema else {"prediction": {}}
    properties = {
        **{name: {"type": "array", "items": item} for name, item in lists.items()},
        "prediction_id": {"type": "array", "items": {"type": "string", "format": "uuid"}},
        "model_version": {"type": "string"},
    }
    return an_object(properties, required=list(properties))


def _describe_outcomes(
    operation: dict[str, Any], schema: FeatureSchema | None, max_rows: int
) -> None:
    observed = {**_MOMENT, "type": ["string", "null"],
                "description": "when it became known; now if absent"}  # fmt: skip
    properties = {
        "prediction_id": {"type": "string"},
        "outcome": true_label(schema),
        "observed_at": observed,
    }
    one = an_object(properties, required=["prediction_id", "outcome"])
    rows = {"type": "array", "minItems": 1, "maxItems": max_rows, "items": one}
    form = {"oneOf": [an_object({"outcomes": rows}, required=["outcomes"]), one]}
    operation["requestBody"] = {"required": True, "content": content(form, {})}
    operation["responses"] = {
        "200": response("all recorded, corrected or unchanged", "Results"),
        "202": response("kept durably, judged once the database is back", "Results"),
        "207": response("some ids are unknown; each result has its own code", "Results"),
        "404": response("every id is unknown", "Results"),
    }


def _results() -> Shape:
    one = an_object(
        {
            "prediction_id": {"type": "string"},
            "status": {"enum": ["recorded", "corrected", "unchanged", "accepted", "unknown"]},
            "code": {"enum": [200, 202, 404]},
            "problem": {"type": ["string", "null"]},
        },
        required=["prediction_id", "status", "code"],
    )
    return an_object({"results": {"type": "array", "items": one}}, required=["results"])


def _wanted(schema: FeatureSchema | None) -> Shape:
    """What a person, or another system, is asked to label."""
    moment = {"type": "string", "format": "date-time"}
    one = {
        "prediction_id": {"type": "string"},
        "event_time": moment,
        "predicted_at": moment,
        "model_version": {"type": "string"},
        "features": {"type": "object", "description": "name -> value, as it was logged"},
        "prediction": true_label(schema),
        "probability": {"type": ["number", "null"]},
        "scores": {"type": ["array", "null"], "items": {"type": "number"}},
        "uncertainty": {"type": "number", "description": "entropy in nats; a number's interval"},
    }
    properties = {
        "wanted": {"type": "array", "items": an_object(one, required=list(one))},
        "candidates": {"type": "integer", "description": "rows that were drawn to choose from"},
    }
    return an_object(properties, required=list(properties))


def _ref(name: str) -> str:
    return f"#/components/schemas/{name}"
