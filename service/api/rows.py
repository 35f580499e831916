"""JSON Schema of what a row, an answer and an outcome may hold, from the champion's schema.

It says exactly what decoder.py takes: tests compare the two on generated bodies.
"""

from collections.abc import Sequence
from typing import Any

from contracts.schema import MAGNITUDE_LIMIT, Feature, FeatureSchema, Target
from service.answer.values import MAX_TEXT, SHOWN_CATEGORIES, describe

Shape = dict[str, Any]

NO_NUL = r"^[^\x00]*$"
# As an integer, for as a float it could be read as another number.
_LIMIT = int(MAGNITUDE_LIMIT)
_NUMBER: Shape = {"type": "number", "minimum": -_LIMIT, "maximum": _LIMIT}
_SPECIAL = frozenset("\\^$.*+?()[]{}|/")  # in a pattern
_FIXED: dict[str, Shape] = {
    "numeric": _NUMBER,
    "integer": {**_NUMBER, "type": "integer"},
    "datetime": {"type": "string", "format": "date-time"},
}


def named_row(schema: FeatureSchema | None) -> Shape:
    """A row as an object, name -> value."""
    if schema is None:
        return {"type": "object", "description": "name -> value"}
    required = [feature.name for feature in schema.features if not feature.nullable]
    row = an_object({f.name: _property(f) for f in schema.features}, required=required)
    return {**row, "example": schema.example()}


def positional_row(schema: FeatureSchema | None) -> Shape:
    """A row as an array in schema order."""
    if schema is None:
        return {"type": "array", "items": {}, "description": "values in schema order"}
    size = len(schema.features)
    return {
        "type": "array",
        "description": f"values in this order: {', '.join(schema.names)}",
        "prefixItems": [value(feature) for feature in schema.features],
        "minItems": size,
        "maxItems": size,
        "example": list(schema.example().values()),
    }


def answers(target: Target) -> dict[str, Shape]:
    """One entry a row of every list that answers."""
    number = {"type": "number"}
    if target.task == "regression":
        exact = {**number, "description": target.name}
        if target.margin is None:
            return {"prediction": exact}
        share = f"[low, high]; holds the true value in {target.coverage:.0%} of rows"
        return {"prediction": exact, "interval": _list_of(number, 2, share)}
    classes = list(target.classes)
    label = {"enum": classes, "description": f"class of {target.name}"}
    if target.task == "binary":
        chance = {**number, "description": f"of the class {classes[1]}"}
        return {"prediction": label, "probability": chance}
    order = f"of the classes {', '.join(map(str, classes))}, in this order"
    return {"prediction": label, "probability": _list_of(number, len(classes), order)}


def true_label(schema: FeatureSchema | None) -> Shape:
    """What an outcome may be."""
    if schema is None:
        return {}
    if schema.target.task == "regression":
        return _NUMBER
    return {"enum": list(schema.target.classes)}


def an_object(properties: dict[str, Any], required: list[str] | None = None) -> Shape:
    """An object with these properties and no others."""
    shape: Shape = {"type": "object", "properties": properties, "additionalProperties": False}
    return shape if required is None else {**shape, "required": required}


def _property(feature: Feature) -> Shape:
    shown: Shape = {
        **value(feature),
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


def value(feature: Feature) -> Shape:
    """What decoder.py takes for one feature; texts that mark a missing value are among it."""
    marks = sorted(feature.missing) if feature.nullable else []
    if feature.kind == "boolean":
        forms: list[Shape] = [{"type": "boolean"}, {"enum": [0, 1, *feature.words, *marks]}]
        if feature.words:
            forms.append({"type": "string", "pattern": _in_any_case(feature.words)})
        return {"anyOf": [*forms, {"type": "null"}] if feature.nullable else forms}
    shape = _FIXED[feature.kind] if feature.kind != "categorical" else _text(feature)
    if feature.nullable:
        shape = {**shape, "type": [shape["type"], "null"]}
    if marks and feature.kind != "categorical":
        return {"anyOf": [shape, {"enum": marks}]}
    return shape


def _in_any_case(words: Sequence[str]) -> str:
    """A pattern, for JSON Schema has no other way to say so: `^([nN][oO]|[yY][eE][sS])$`."""
    forms = ("".join(_letter_in_any_case(letter) for letter in word) for word in words)
    return f"^({'|'.join(forms)})$"


def _letter_in_any_case(letter: str) -> str:
    cases = sorted({letter.lower(), letter.upper()})
    if len(cases) > 1:
        return f"[{''.join(cases)}]"
    return f"\\{letter}" if letter in _SPECIAL else letter  # re.escape does too much for browsers


def _text(feature: Feature) -> Shape:
    shape: Shape = {"type": "string", "maxLength": MAX_TEXT, "pattern": NO_NUL}
    return shape if feature.nullable else {**shape, "minLength": 1}


def _list_of(item: Shape, size: int, description: str) -> Shape:
    return {"type": "array", "items": item, "minItems": size, "maxItems": size,
            "description": description}  # fmt: skip
