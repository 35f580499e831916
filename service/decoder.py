"""From the bytes of a request to rows that a model takes; pure, called by routes/predict.py.

Every rule of what a request may hold is here. Nothing else looks at its values again.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from contracts.schema import MAGNITUDE_LIMIT, MISSING_CATEGORY, Feature, FeatureSchema

MAX_PROBLEMS = 100
MAX_TEXT = 1000
SHOWN_CATEGORIES = 20
MOMENT = "ISO 8601 with a time zone, like 2013-04-01T12:00:00Z"
TOP_LEVEL = frozenset({"features", "instances", "event_time"})
FORMS = (
    '{"features": [value, ...]} in schema order, {"features": {name: value}} '
    'or {"instances": [row, ...]}, each with an optional "event_time"'
)
# Integers beyond this are no longer exact as floats, and JSON writers begin to refuse them.
_EXACT_INTEGER = 2**53
_NAN = math.nan


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a request. `row` counts from 0; None = the request as a whole."""

    row: int | None
    field: str | None
    problem: str
    allowed: str


class InvalidRequestError(ValueError):
    """The request cannot be answered; `problems` says where and why."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(f"{len(problems)} problems, first: {problems[0]}")
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Decoded:
    """Valid rows, in the request's order.

    `numeric` and `text` are what FeatureSchema.to_matrices would give, as lists so that a group
    of requests becomes one matrix; `features` is each row's JSON for the ledger.
    """

    numeric: list[list[float]]
    text: list[list[str]]
    features: list[str]
    event_time: datetime | None


class _Absent:
    """Marks a name that the request does not have."""


_ABSENT = _Absent()


class _WrongValueError(ValueError):
    """Says what is wrong with one value."""


class _Column(NamedTuple):
    name: str
    is_text: bool
    check: Callable[[object], Any]
    allowed: str


class Decoder:
    """Decodes requests for one schema."""

    def __init__(self, schema: FeatureSchema, max_rows: int) -> None:
        self._columns = tuple(_column(feature) for feature in schema.features)
        self._names = schema.names
        self._known = frozenset(schema.names)
        self._max_rows = max_rows
        self._encode = msgspec.json.Encoder().encode
        self._parse = msgspec.json.Decoder().decode

    def decode(self, body: bytes) -> Decoded:
        """Check a request and turn it into rows.

        Raises:
            InvalidRequestError: lists up to MAX_PROBLEMS problems.
        """
        try:
            request = self._parse(body)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            request = _parse_again(body)
        rows, event_time = self._open(request)
        return self._decode_rows(rows, event_time)

    def _open(self, request: object) -> tuple[list[object], datetime | None]:
        """The rows and the event time of one of the three forms."""
        if type(request) is not dict:
            raise _invalid(None, None, f"the body is {_name_of(request)}", FORMS)
        if unknown := request.keys() - TOP_LEVEL:
            fields = [_safe(name) for name in sorted(unknown)[:MAX_PROBLEMS]]
            raise InvalidRequestError(
                [Problem(None, name, "unknown field", FORMS) for name in fields]
            )
        if ("features" in request) == ("instances" in request):
            raise _invalid(None, None, "give exactly one of features and instances", FORMS)
        event_time = _event_time(request["event_time"]) if "event_time" in request else None
        if "features" in request:
            return [request["features"]], event_time
        return self._instances(request["instances"]), event_time

    def _instances(self, instances: object) -> list[object]:
        allowed = f"an array of 1 to {self._max_rows} rows"
        if type(instances) is not list:
            raise _invalid(None, "instances", f"is {_name_of(instances)}", allowed)
        if not 0 < len(instances) <= self._max_rows:
            raise _invalid(None, "instances", f"has {len(instances)} rows", allowed)
        return instances

    def _decode_rows(self, rows: list[object], event_time: datetime | None) -> Decoded:
        decoded = Decoded([], [], [], event_time)
        problems: list[Problem] = []
        for index, row in enumerate(rows):
            self._decode_row(index, row, decoded, problems)
            if len(problems) >= MAX_PROBLEMS:
                break
        if problems:
            raise InvalidRequestError(problems[:MAX_PROBLEMS])
        return decoded

    def _decode_row(
        self, index: int, row: object, decoded: Decoded, problems: list[Problem]
    ) -> None:
        values = self._by_name(index, row, problems)
        if values is None:
            return
        numeric: list[float] = []
        text: list[str] = []
        logged = {}
        for name, is_text, check, allowed in self._columns:
            try:
                value = check(values.get(name, _ABSENT))
            except _WrongValueError as wrong:
                problems.append(Problem(index, name, str(wrong), allowed))
                continue
            logged[name] = value
            if is_text:
                text.append(MISSING_CATEGORY if value is None else value)
            else:
                numeric.append(_NAN if value is None else value)
        decoded.numeric.append(numeric)
        decoded.text.append(text)
        decoded.features.append(self._encode(logged).decode())

    def _by_name(self, index: int, row: object, problems: list[Problem]) -> dict[str, Any] | None:
        """The row's values by name; None after reporting that it has none."""
        if type(row) is dict:
            if not row.keys() <= self._known:
                self._report_unknown(index, row, problems)
            return row
        order = ", ".join(self._names)
        if type(row) is not list:
            allowed = f"an object, or an array of {len(self._names)} values: {order}"
            problems.append(Problem(index, "features", f"the row is {_name_of(row)}", allowed))
            return None
        if len(row) != len(self._names):
            allowed = f"{len(self._names)} values in this order: {order}"
            problems.append(Problem(index, "features", f"has {len(row)} values", allowed))
            return None
        return dict(zip(self._names, row, strict=True))

    def _report_unknown(self, index: int, row: dict[str, Any], problems: list[Problem]) -> None:
        allowed = f"one of {', '.join(self._names)}"
        for name in sorted(row.keys() - self._known)[:MAX_PROBLEMS]:
            problems.append(Problem(index, _safe(name), "unknown feature", allowed))


def describe(feature: Feature) -> str:
    """What a feature may hold, for people: errors and OpenAPI say the same."""
    text = {"numeric": "a number", "integer": "an integer", "categorical": "text"}[feature.kind]
    if feature.low is not None and feature.high is not None:
        text += f", seen in training from {feature.low:g} to {feature.high:g}"
    if feature.categories:
        text += f", seen in training: {', '.join(feature.categories[:SHOWN_CATEGORIES])}"
        more = len(feature.categories) - SHOWN_CATEGORIES
        text += f" and {more} more" if more > 0 else ""
        text += "; others predict as unseen"
    return text + ("; null or absent = missing" if feature.nullable else "; required")


def _column(feature: Feature) -> _Column:
    is_text = feature.kind == "categorical"
    check = _text_check(feature) if is_text else _number_check(feature)
    return _Column(feature.name, is_text, check, describe(feature))


def _number_check(feature: Feature) -> Callable[[object], float | int | None]:
    """A function from a JSON value to what is logged and predicted from; None = missing."""
    nullable, whole = feature.nullable, feature.kind == "integer"

    def check(value: object) -> float | int | None:
        if type(value) is float:
            if -MAGNITUDE_LIMIT <= value <= MAGNITUDE_LIMIT:
                if not whole:
                    return value
                if value.is_integer():
                    return int(value) if abs(value) <= _EXACT_INTEGER else value
        elif type(value) is int:
            if -_EXACT_INTEGER <= value <= _EXACT_INTEGER:
                return value
            if -MAGNITUDE_LIMIT <= value <= MAGNITUDE_LIMIT:
                return float(value)
        elif nullable and (value is None or value is _ABSENT):
            return None
        raise _WrongValueError(_number_problem(value))

    return check


def _number_problem(value: object) -> str:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return _missing_problem(value) or f"is {_name_of(value)}"
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
        elif nullable and (value is None or value is _ABSENT):
            return None
        raise _WrongValueError(_text_problem(value))

    return check


def _text_problem(value: object) -> str:
    if not isinstance(value, str):
        return _missing_problem(value) or f"is {_name_of(value)}"
    if value == MISSING_CATEGORY:
        return "is empty, which means missing"
    if len(value) > MAX_TEXT:
        return f"has {len(value)} characters, more than {MAX_TEXT}"
    return "holds a NUL character" if "\0" in value else "holds half a surrogate pair"


def _missing_problem(value: object) -> str | None:
    if value is _ABSENT:
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


def parse_moment(text: str) -> datetime:
    """A moment in UTC from ISO 8601 text.

    Raises:
        ValueError: it says what is wrong.
    """
    try:
        moment = datetime.fromisoformat(text)
        utc = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("is not a moment in time") from None
    if moment.tzinfo is None:
        raise ValueError("has no time zone")
    return utc


def _event_time(value: object) -> datetime:
    if not isinstance(value, str):
        raise _invalid(None, "event_time", f"is {_name_of(value)}", MOMENT)
    try:
        return parse_moment(value)
    except ValueError as error:
        raise _invalid(None, "event_time", str(error), MOMENT) from None


def _parse_again(body: bytes) -> object:
    """Parse what msgspec refused, so that NaN and huge numbers are reported by row and field."""
    try:
        return json.loads(body.decode())
    except UnicodeDecodeError as error:
        problem = f"the body is not UTF-8: {error.reason} at byte {error.start}"
    except RecursionError:
        problem = "the body is nested too deeply"
    except ValueError as error:
        problem = f"the body is not JSON: {error}"
    raise _invalid(None, None, problem, FORMS)


def _invalid(row: int | None, field: str | None, problem: str, allowed: str) -> InvalidRequestError:
    return InvalidRequestError([Problem(row, field, problem, allowed)])


def _name_of(value: object) -> str:
    """What a JSON value is, and the value itself where it is short."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        shown = value if len(value) <= 40 else value[:40] + "..."
        return f"text {_safe(repr(shown))}"
    if isinstance(value, int | float):
        return f"a number, {value:.6g}" if abs(value) <= MAGNITUDE_LIMIT else "a huge number"
    return "an object" if isinstance(value, dict) else "an array"


def _safe(name: str) -> str:
    """Text from a request, short and encodable, for an error message."""
    return name[:MAX_TEXT].encode("utf-8", "backslashreplace").decode()
