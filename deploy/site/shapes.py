"""JSON schemas of an OpenAPI document in words: "list of text" and tables of keys."""

from collections.abc import Mapping
from typing import Any

from deploy.site.markdown import code, plain, table

Schema = Mapping[str, Any]
_KINDS = {"string": "text", "integer": "whole number", "number": "number", "null": "null",
          "boolean": "true or false", "object": "object", "array": "list"}  # fmt: skip
_LIMITS = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most",
           "exclusiveMaximum": "less than", "maxLength": "not longer than",
           "maxItems": "at most so many:"}  # fmt: skip


def kind(schema: Schema) -> str:
    """What a value may be, in one line; named schemas are links."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(kind(each) for each in schema[several]))
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return " or ".join(code(each) for each in schema["enum"])
    if schema.get("items"):
        return f"list of {kind(schema['items'])}"
    types = schema.get("type", "anything")
    names = " or ".join(
        _KINDS.get(each, each) for each in ([types] if isinstance(types, str) else types)
    )
    formats = {"date-time": "moment, ISO 8601 with a zone", "uuid": "UUID"}
    return ", ".join([formats.get(schema.get("format", ""), names), *_limits(schema)])


def keys(schema: Schema) -> str:
    """A table of an object's keys, also of objects inside; empty for what has none."""
    rows = list(_rows(schema, ""))
    return table(["key", "kind", "needed", "meaning"], rows) if rows else ""


def _rows(schema: Schema, above: str) -> list[list[str]]:
    rows = []
    for name, inner in schema.get("properties", {}).items():
        needed = "yes" if name in schema.get("required", ()) else ""
        default = f"default {code(inner['default'])}" if "default" in inner else ""
        told = "; ".join(each for each in (plain(inner.get("description", "")), default) if each)
        rows.append([f"`{above}{name}`", kind(inner), needed, told])
        nested = inner.get("items", {}) if inner.get("type") == "array" else inner
        rows += _rows(nested, f"{above}{name}{'[]' if nested is not inner else ''}.")
    return rows


def _limits(schema: Schema) -> list[str]:
    return [f"{words} {schema[name]}" for name, words in _LIMITS.items() if name in schema]
