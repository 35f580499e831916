"""How a pydantic field is told to people: its type, its default, its limits."""

import json
import types
import typing
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic.fields import FieldInfo

from contracts.params_section import Section

_NAMES: dict[Any, str] = {
    str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path",
    date: "date", type(None): "null", Any: "anything",
}  # fmt: skip
_LIMITS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than",
           "min_length": "not shorter than", "max_length": "not longer than"}  # fmt: skip


def type_of(field: FieldInfo) -> str:
    """ "whole number, at least 1"."""
    return ", ".join([_name(field.annotation), *_limits(field.metadata)])


def default_of(field: FieldInfo) -> str:
    """As params.yaml or the environment would say it; empty where something must be given."""
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Section):
        return "as below"
    if isinstance(value, str | Path):
        return str(value) or "empty"
    return json.dumps(value, default=str)


def sections_in(annotation: Any) -> list[type[Section]]:
    """The sections that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return [annotation]
    return [found for part in typing.get_args(annotation) for found in sections_in(part)]


def _name(annotation: Any) -> str:
    origin, parts = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{part}`" if part != "" else "empty" for part in parts)
    if origin is typing.Annotated:
        return ", ".join([_name(parts[0]), *_limits(parts[1:])])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_name(part) for part in parts)
    if origin is list:
        return f"list of {_name(parts[0])}"
    if origin is tuple:
        return f"list: {', '.join(_name(part) for part in parts)}"
    if origin is dict:
        return f"{_name(parts[1])}, by name"
    if sections_in(annotation):
        return "section"
    return _NAMES[annotation]


def _limits(metadata: typing.Iterable[Any]) -> list[str]:
    found = []
    for each in metadata:
        for inner in getattr(each, "metadata", [each]) if isinstance(each, FieldInfo) else [each]:
            for name, words in _LIMITS.items():
                if getattr(inner, name, None) is not None:
                    found.append(f"{words} {getattr(inner, name)}")
            if getattr(inner, "pattern", None):
                found.append(f"like `{inner.pattern}`")
    return found
