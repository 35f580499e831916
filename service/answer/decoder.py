"""From the bytes of a request to rows that a model takes; pure, called by answering.py.

Every rule of what a request may hold is here and in values.py; nothing looks at it again.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import nsmallest
from typing import Any

import msgspec
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from contracts.moments import split_text
from contracts.schema import MISSING_CATEGORY, FeatureSchema
from service.answer.typed import make_parser
from service.answer.values import ABSENT, Slot, WrongValueError, make_column, name_of, safe_text

MAX_PROBLEMS = 100
MOMENT = "ISO 8601 with a time zone, like 2013-04-01T12:00:00Z"
TOP_LEVEL = frozenset({"features", "instances", "event_time"})
FORMS = (
    '{"features": [value, ...]} in schema order, {"features": {name: value}} '
    'or {"instances": [row, ...]}, each with an optional "event_time"'
)
_NAN = math.nan
_Line = tuple[list[float], list[str], str]  # of the float matrix, of the text matrix, of the ledger
_parse = msgspec.json.Decoder().decode


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


class Decoded(msgspec.Struct, frozen=True):  # a dataclass takes five times as long to make
    """Valid rows, in the request's order.

    `numeric` and `text` are what FeatureSchema.to_matrices would give (None = missing too), as
    lists so that a group of requests becomes one matrix; `features` is each row's JSON for the
    ledger; `first_id` is the prediction_id of the first row, where it had to be known early;
    `answers` is what the model `asked` has answered already, float32 (n, outputs).
    """

    numeric: Sequence[Sequence[float | None]]
    text: Sequence[Sequence[str]]
    features: list[str]
    event_time: datetime | None
    first_id: str | None = None
    asked: object = None
    answers: NDArray[np.float32] | None = None

    def with_first_id(self, first_id: str | None) -> "Decoded":
        return replace(self, first_id=first_id)


class Decoder:
    """Decodes requests for one schema."""

    def __init__(self, schema: FeatureSchema, max_rows: int) -> None:
        self._columns = tuple(make_column(feature) for feature in schema.features)
        self._names = schema.names
        self._known = frozenset(schema.names)
        self._max_rows = max_rows
        self._typed = make_parser(schema.features, self._columns, max_rows)
        self._encode = msgspec.json.Encoder().encode

    def decode(self, body: bytes) -> Decoded:
        """Check a request and turn it into rows.

        Raises:
            InvalidRequestError: lists up to MAX_PROBLEMS problems.
        """
        return self.decode_usual(body) or self.decode_exactly(body)

    def decode_usual(self, body: bytes) -> Decoded | None:
        """As decode; None = it takes decode_exactly to know.

        Raises:
            InvalidRequestError: the event time is wrong.
        """
        typed = self._typed(body)
        if typed is None:
            return None
        numeric, text, features, asked = typed
        event_time = None if asked is msgspec.UNSET else read_event_time(asked)
        return Decoded(numeric, text, features, event_time)

    def decode_exactly(self, body: bytes) -> Decoded:
        """The same by rules alone, a value at a time; decode's last word on what is odd."""
        rows, event_time = self._open(parse_json(body))
        return self.decode_rows(rows, event_time)

    def _open(self, request: object) -> tuple[list[object], datetime | None]:
        """The rows and the event time of one of the three forms."""
        if type(request) is not dict:
            raise _invalid(None, None, f"the body is {name_of(request)}", FORMS)
        if unknown := request.keys() - TOP_LEVEL:
            fields = [safe_text(name) for name in nsmallest(MAX_PROBLEMS, unknown)]
            raise InvalidRequestError(
                [Problem(None, name, "unknown field", FORMS) for name in fields]
            )
        if ("features" in request) == ("instances" in request):
            raise _invalid(None, None, "give exactly one of features and instances", FORMS)
        event_time = read_event_time(request["event_time"]) if "event_time" in request else None
        if "features" in request:
            return [request["features"]], event_time
        return self._instances(request["instances"]), event_time

    def _instances(self, instances: object) -> list[object]:
        allowed = f"an array of 1 to {self._max_rows} rows"
        if type(instances) is not list:
            raise _invalid(None, "instances", f"is {name_of(instances)}", allowed)
        if not 0 < len(instances) <= self._max_rows:
            raise _invalid(None, "instances", f"has {len(instances)} rows", allowed)
        return instances

    def decode_rows(self, rows: list[object], event_time: datetime | None = None) -> Decoded:
        """Check rows that are JSON values, each an object or an array in schema order.

        Raises:
            InvalidRequestError: as decode.
        """
        lines: list[_Line] = []
        problems: list[Problem] = []
        for index, row in enumerate(rows):
            lines += self._decode_row(index, row, problems)
            if len(problems) >= MAX_PROBLEMS:
                break
        if problems:
            raise InvalidRequestError(problems[:MAX_PROBLEMS])
        return Decoded(
            [numeric for numeric, _, _ in lines],
            [text for _, text, _ in lines],
            [features for _, _, features in lines],
            event_time,
        )

    def _decode_row(self, index: int, row: object, problems: list[Problem]) -> list[_Line]:
        """The row's line, or nothing after reporting its problems."""
        values = self._by_name(index, row, problems)
        if values is None:
            return []
        numeric: list[float] = []
        text: list[str] = []
        moments: list[float] = []  # the float matrix has them last, whatever the schema's order
        logged = {}
        for name, slot, check, allowed in self._columns:
            try:
                value = check(values.get(name, ABSENT))
            except WrongValueError as wrong:
                problems.append(Problem(index, name, str(wrong), allowed))
                continue
            logged[name] = value
            if slot is Slot.NUMBER:
                numeric.append(_NAN if value is None else value)
            elif slot is Slot.TEXT:
                text.append(MISSING_CATEGORY if value is None else value)
            else:
                moments += split_text(value)
        return [(numeric + moments, text, self._encode(logged).decode())]

    def _by_name(self, index: int, row: object, problems: list[Problem]) -> dict[str, Any] | None:
        """The row's values by name; None after reporting that it has none."""
        if type(row) is dict:
            if not row.keys() <= self._known:
                self._report_unknown(index, row, problems)
            return row
        order = ", ".join(self._names)
        if type(row) is not list:
            allowed = f"an object, or an array of {len(self._names)} values: {order}"
            problems.append(Problem(index, "features", f"the row is {name_of(row)}", allowed))
            return None
        if len(row) != len(self._names):
            allowed = f"{len(self._names)} values in this order: {order}"
            problems.append(Problem(index, "features", f"has {len(row)} values", allowed))
            return None
        return dict(zip(self._names, row, strict=True))

    def _report_unknown(self, index: int, row: dict[str, Any], problems: list[Problem]) -> None:
        allowed = f"one of {', '.join(self._names)}"
        for name in nsmallest(MAX_PROBLEMS, row.keys() - self._known):
            problems.append(Problem(index, safe_text(name), "unknown feature", allowed))


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


def read_event_time(value: object) -> datetime:
    """A request's event time.

    Raises:
        InvalidRequestError: it is not text, or not a moment with a time zone.
    """
    if not isinstance(value, str):
        raise _invalid(None, "event_time", f"is {name_of(value)}", MOMENT)
    try:
        return parse_moment(value)
    except ValueError as error:
        raise _invalid(None, "event_time", str(error), MOMENT) from None


def parse_json(body: bytes) -> object:
    """The JSON value of a body; NaN and Infinity come through, as floats.

    Raises:
        InvalidRequestError: it is not JSON.
    """
    try:
        return _parse(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return _parse_again(body)


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
