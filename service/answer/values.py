"""What one value of a request may be; decoder.py asks for every feature of every row."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any, NamedTuple

from contracts.params import Kind
from contracts.schema import MAGNITUDE_LIMIT, MISSING_CATEGORY, Feature

MAX_TEXT = 1000
SHOWN_CATEGORIES = 20
# Integers beyond this are no longer exact as floats, and JSON writers begin to refuse them.
EXACT_INTEGER = 2**53
_KINDS = {
    "numeric": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "categorical": "text",
    "datetime": "a moment in ISO 8601, like 2013-04-01T12:00:00Z; UTC where it has no zone",
}


class WrongValueError(ValueError):
    """Says what is wrong with one value."""


class _Absent:
    """Marks a name that the request does not have."""


ABSENT = _Absent()


class Slot(Enum):
    """Where a value goes on its way to the model."""

    NUMBER = auto()
    TEXT = auto()
    MOMENT = auto()


class Column(NamedTuple):
    """One feature: how its values are checked and what they may be.

    `check` turns a JSON value, or ABSENT, into what is logged and predicted from (None =
    missing) or raises WrongValueError.
    """

    name: str
    slot: Slot
    check: Callable[[object], Any]  # a number or a boolean, text, or a moment as ISO 8601 text
    allowed: str


def describe(feature: Feature) -> str:
    """What a feature may hold, for people: errors and OpenAPI say the same."""
    text = _KINDS[feature.kind]
    if feature.words:
        text += ", or " + " or ".join(repr(word) for word in reversed(feature.words))
    plain = feature.kind in ("numeric", "integer")
    if plain and feature.low is not None and feature.high is not None:
        text += f", seen in training from {feature.low:g} to {feature.high:g}"
    if feature.categories:
        text += f", seen in training: {', '.join(feature.categories[:SHOWN_CATEGORIES])}"
        more = len(feature.categories) - SHOWN_CATEGORIES
        text += f" and {more} more" if more > 0 else ""
        text += "; others predict as unseen"
    return text + ("; null or absent = missing" if feature.nullable else "; required")


def make_column(feature: Feature) -> Column:
    """The rules of one feature."""
    slot, make_check = _RULES[feature.kind]
    check = _with_marks(feature, make_check(feature))
    return Column(feature.name, slot, check, describe(feature))


def _with_marks(feature: Feature, check: Callable[[object], Any]) -> Callable[[object], Any]:
    """Texts that mark what is missing in the team's table mean the same in a request."""
    marks = frozenset(feature.missing)
    if not (marks and feature.nullable):
        return check
    return lambda value: None if isinstance(value, str) and value in marks else check(value)


def _boolean_check(feature: Feature) -> Callable[[object], bool | None]:
    nullable = feature.nullable
    words = {word.lower(): bool(i) for i, word in enumerate(feature.words)}

    def check(value: object) -> bool | None:
        if isinstance(value, bool):
            return value
        if type(value) in (int, float) and value in (0, 1):
            return value == 1
        if isinstance(value, str) and value.lower() in words:
            return words[value.lower()]
        if nullable and (value is None or value is ABSENT):
            return None
        raise WrongValueError(_missing_problem(value) or f"is {name_of(value)}")

    return check


def _moment_check(feature: Feature) -> Callable[[object], str | None]:
    nullable = feature.nullable

    def check(value: object) -> str | None:
        if isinstance(value, str) and len(value) <= MAX_TEXT:
            try:
                moment = datetime.fromisoformat(value)
                aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
                return aware.astimezone(UTC).replace(microsecond=0).isoformat()
            except (ValueError, OverflowError):
                raise WrongValueError(f"is {name_of(value)}") from None
        if nullable and (value is None or value is ABSENT):
            return None
        raise WrongValueError(_missing_problem(value) or f"is {name_of(value)}")

    return check


def _number_check(feature: Feature) -> Callable[[object], float | int | None]:
    """A function from a JSON value to what is logged and predicted from; None = missing."""
    nullable, whole = feature.nullable, feature.kind == "integer"

    def check(value: object) -> float | int | None:
        if type(value) is float:
            if -MAGNITUDE_LIMIT <= value <= MAGNITUDE_LIMIT:
                if not whole:
                    return value
                if value.is_integer():
                    return int(value) if abs(value) <= EXACT_INTEGER else value
        elif type(value) is int:
            if -EXACT_INTEGER <= value <= EXACT_INTEGER:
                return value
            if -MAGNITUDE_LIMIT <= value <= MAGNITUDE_LIMIT:
                return float(value)
        elif nullable and (value is None or value is ABSENT):
            return None
        raise WrongValueError(_number_problem(value))

    return check


def _number_problem(value: object) -> str:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return _missing_problem(value) or f"is {name_of(value)}"
    if not -MAGNITUDE_LIMIT <= value <= MAGNITUDE_LIMIT:
        if isinstance(value, float) and math.isnan(value):
            return "is NaN"
        infinite = isinstance(value, float) and math.isinf(value)
        return "is Infinity" if infinite else f"is beyond {MAGNITUDE_LIMIT:g}"
    return f"is {value}, not an integer"


def _text_check(feature: Feature) -> Callable[[object], str | None]:
    nullable = feature.nullable

    def check(value: object) -> str | None:
        if type(value) is str:
            if value and len(value) <= MAX_TEXT and "\0" not in value and _is_unicode(value):
                return value
            if value == MISSING_CATEGORY and nullable:
                return None
        elif nullable and (value is None or value is ABSENT):
            return None
        raise WrongValueError(_text_problem(value))

    return check


def _text_problem(value: object) -> str:
    if not isinstance(value, str):
        return _missing_problem(value) or f"is {name_of(value)}"
    if value == MISSING_CATEGORY:
        return "is empty, which means missing"
    if len(value) > MAX_TEXT:
        return f"has {len(value)} characters, more than {MAX_TEXT}"
    return "holds a NUL character" if "\0" in value else "holds half a surrogate pair"


def _missing_problem(value: object) -> str | None:
    if value is ABSENT:
        return "is missing"
    return "is null" if value is None else None


def _is_unicode(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def name_of(value: object) -> str:
    """What a JSON value is, and the value itself where it is short."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        shown = value if len(value) <= 40 else value[:40] + "..."
        return f"text {safe_text(repr(shown))}"
    if isinstance(value, int | float):
        return f"a number, {value:.6g}" if abs(value) <= MAGNITUDE_LIMIT else "a huge number"
    return "an object" if isinstance(value, dict) else "an array"


def safe_text(name: str) -> str:
    """Text from a request, short and encodable, for an error message."""
    return name[:MAX_TEXT].encode("utf-8", "backslashreplace").decode()


_RULES: Mapping[Kind, tuple[Slot, Callable[[Feature], Callable[[object], Any]]]] = {
    "numeric": (Slot.NUMBER, _number_check),
    "integer": (Slot.NUMBER, _number_check),
    "boolean": (Slot.NUMBER, _boolean_check),
    "categorical": (Slot.TEXT, _text_check),
    "datetime": (Slot.MOMENT, _moment_check),
}
