"""The usual forms of a request, checked by msgspec while it parses: a fifth of the time.

Whatever these types do not take is left to decoder.py, which knows every rule and says what is
wrong; so is every schema whose names msgspec cannot write. tests/service/test_typed.py compares
the two on generated bodies.
"""

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import astuple

from contracts.moments import split_text
from contracts.schema import MAGNITUDE_LIMIT, MISSING_CATEGORY, Feature
from service.answer.values import EXACT_INTEGER, MAX_TEXT, Column, Slot

_INTEGER = Annotated[int, Meta(ge=-EXACT_INTEGER, le=EXACT_INTEGER)]
_NUMBER = _INTEGER | Annotated[float, Meta(ge=-MAGNITUDE_LIMIT, le=MAGNITUDE_LIMIT)]
_TEXT = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
# What one of these holds is for the column's own check to say.
_TYPES: dict[str, Any] = {
    "numeric": _NUMBER,
    "integer": _INTEGER,
    "categorical": _TEXT,
    "boolean": bool | int | str,
    "datetime": str,
}
_CHECKED = ("boolean", "datetime")
_NUL = b"\\u0000"
_Row = tuple[Any, ...]


class Typed(NamedTuple):
    """Valid rows; as decoder.Decoded, but for the event time, which nobody has looked at."""

    numeric: list[_Row]
    text: list[_Row]
    features: list[str]
    event_time: str | UnsetType


Parse = Callable[[bytes], Typed | None]


def make_parser(features: Sequence[Feature], columns: Sequence[Column], max_rows: int) -> Parse:
    """A function from a body to its rows, or to None: ask decoder.py.

    Args:
        features, columns: the schema and its rules, in the same order.
        max_rows: of one request.
    """
    if any(set('"\\') & set(name) or not name.isprintable() for name in _names(features)):
        return lambda _body: None
    request, row_type = _request_type(features)
    parse = msgspec.json.Decoder(request).decode
    read = _row_reader(features, columns, row_type)
    numbers, texts = _number_picker(columns), _text_picker(columns)
    encoder = msgspec.json.Encoder()
    encode, encode_lines = encoder.encode, encoder.encode_lines

    def one(asked: Any) -> Typed:
        row, shown = read(asked.features)
        return Typed([numbers(row)], [texts(row)], [encode(shown).decode()], asked.event_time)

    def many(asked: Any) -> Typed:
        rows = [read(row) for row in asked.instances]
        lines = encode_lines([shown for _, shown in rows]).decode()
        return Typed(
            [numbers(row) for row, _ in rows],
            [texts(row) for row, _ in rows],
            lines.removesuffix("\n").split("\n"),  # not splitlines: JSON may hold U+2028
            asked.event_time,
        )

    def typed(body: bytes) -> Typed | None:
        if _NUL in body:  # no text may hold one, and no type says so
            return None
        try:
            asked = parse(body)
            if asked.instances is UNSET:
                return None if asked.features is UNSET else one(asked)
            if asked.features is UNSET and 0 < len(asked.instances) <= max_rows:
                return many(asked)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            pass
        return None

    return typed


def _names(features: Sequence[Feature]) -> list[str]:
    return [feature.name for feature in features]


def _is_checked(feature: Feature) -> bool:
    return feature.kind in _CHECKED or bool(feature.missing and feature.nullable)


def _request_type(features: Sequence[Feature]) -> tuple[type[Any], type[Struct]]:
    """The three forms as one type, and the type of a row by name."""
    types = [_type_of(feature) for feature in features]
    fields: list[Any] = [
        (f"f{i}", kind, None) if feature.nullable else (f"f{i}", kind)
        for i, (feature, kind) in enumerate(zip(features, types, strict=True))
    ]
    row = msgspec.defstruct(
        "Row",
        fields,
        kw_only=True,
        forbid_unknown_fields=True,
        rename={f"f{i}": name for i, name in enumerate(_names(features))},
    )
    either: Any = row | tuple[tuple(types)]  # type: ignore[misc]  # made from the schema
    form = [
        ("features", either | UnsetType, UNSET),
        ("instances", list[either] | UnsetType, UNSET),
        ("event_time", str | UnsetType, UNSET),
    ]
    return msgspec.defstruct("Request", form, forbid_unknown_fields=True), row


def _type_of(feature: Feature) -> Any:
    kind = _TYPES[feature.kind]
    if feature.missing and feature.nullable:
        kind = kind | str if feature.kind != "categorical" else str
    return kind | None if feature.nullable else kind


def _row_reader(
    features: Sequence[Feature], columns: Sequence[Column], row_type: type[Struct]
) -> Callable[[Any], tuple[_Row, Any]]:
    """A function from a parsed row to its values, and to what JSON of them is made from.

    That function raises WrongValueError.
    """
    names = _names(features)
    checks = [(i, columns[i].check) for i, feature in enumerate(features) if _is_checked(feature)]

    def read(row: Any) -> tuple[_Row, Any]:
        if type(row) is row_type:
            return astuple(row), row
        return row, dict(zip(names, row, strict=True))

    def read_and_check(row: Any) -> tuple[_Row, Any]:
        values = list(read(row)[0])
        for place, check in checks:
            values[place] = check(values[place])
        return tuple(values), dict(zip(names, values, strict=True))

    return read_and_check if checks else read


def _number_picker(columns: Sequence[Column]) -> Callable[[_Row], _Row]:
    """A function from a row to its line of the float matrix; None = missing."""
    numbers = _picker([i for i, column in enumerate(columns) if column.slot is Slot.NUMBER])
    moments = [i for i, column in enumerate(columns) if column.slot is Slot.MOMENT]

    def numbers_and_moments(row: _Row) -> _Row:
        return numbers(row) + tuple(part for i in moments for part in split_text(row[i]))

    return numbers_and_moments if moments else numbers


def _text_picker(columns: Sequence[Column]) -> Callable[[_Row], _Row]:
    """A function from a row to its line of the text matrix."""
    texts = _picker([i for i, column in enumerate(columns) if column.slot is Slot.TEXT])

    def filled(row: _Row) -> _Row:
        found = texts(row)
        if None in found:
            return tuple(MISSING_CATEGORY if text is None else text for text in found)
        return found

    return filled


def _picker(places: list[int]) -> Callable[[_Row], _Row]:
    """A function from a row to its values at these places."""
    first, end = (places[0], places[-1] + 1) if places else (0, 0)
    if places == list(range(first, end)):
        return itemgetter(slice(first, end))
    return itemgetter(*places)
