"""Rows out of the bodies that MLflow's, SageMaker's and Vertex AI's clients send; pure.

What a value may be is not looked at here: the decoder does that for every protocol alike.
"""

import csv
import io
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from contracts.schema import FeatureSchema
from service.answer.decoder import MAX_PROBLEMS, parse_json, read_event_time
from service.answer.values import name_of, safe_text
from service.protocols.cells import from_text, missing_if_nan
from service.protocols.errors import invalid
from service.protocols.media import CSV, LINES


class Asked(NamedTuple):
    """Rows as JSON values, each an object or an array in schema order, and when they arose."""

    rows: list[object]
    event_time: datetime | None = None


class Form(NamedTuple):
    """What a JSON body may be: how rows are read by name, and what may stand beside them."""

    readers: Mapping[str, Callable[[object], list[object]]]
    parameters: str  # name of the object that may hold event_time
    beside: frozenset[str]

    @property
    def allowed(self) -> str:
        return f"an object with exactly one of {', '.join(self.readers)}"


def read_body(body: bytes, kind: str, schema: FeatureSchema, max_rows: int) -> Asked:
    """The rows of a body to /invocations of this media type, 1 to `max_rows` of them.

    Raises:
        InvalidRequestError: it has none, too many, or another form.
    """
    if kind == CSV:
        return _require_rows(Asked(_csv_rows(body, schema)), max_rows)
    if kind == LINES:
        lines = [_line_row(parse_json(line)) for line in body.splitlines() if line.strip()]
        return _require_rows(Asked(lines), max_rows)
    return _require_rows(_json_rows(body, _INVOCATIONS), max_rows)


def read_instances(body: bytes, max_rows: int) -> Asked:
    """The rows of Vertex AI's {"instances": [...], "parameters": {...}}; raises as read_body."""
    return _require_rows(_json_rows(body, _VERTEX), max_rows)


def _require_rows(asked: Asked, max_rows: int) -> Asked:
    if not 0 < len(asked.rows) <= max_rows:
        raise invalid(f"the body has {len(asked.rows)} rows", f"1 to {max_rows} rows")
    return asked


def _json_rows(body: bytes, form: Form) -> Asked:
    request = parse_json(body)
    if type(request) is not dict:
        raise invalid(f"the body is {name_of(request)}", form.allowed)
    names = [name for name in request if name not in form.beside]
    if len(names) != 1 or names[0] not in form.readers:
        given = ", ".join(safe_text(name) for name in names[:MAX_PROBLEMS]) or "nothing"
        raise invalid(f"the body gives {given}", form.allowed)
    rows = form.readers[names[0]](request[names[0]])
    return Asked(rows, _event_time(request, form.parameters))


def _event_time(request: Mapping[str, object], name: str) -> datetime | None:
    """When the rows arose: beside them, or in the parameters that the protocol provides."""
    parameters = request.get(name)
    if parameters is not None:
        if type(parameters) is not dict or parameters.keys() - {"event_time"}:
            raise invalid("holds what this model does not take", "event_time", field=name)
        request = {**request, **parameters}
    return read_event_time(request["event_time"]) if "event_time" in request else None


def _rows(given: object) -> list[object]:
    if type(given) is not list:
        raise invalid(f"is {name_of(given)}", "an array of rows", field="instances")
    return given


def _frame_rows(given: object) -> list[object]:
    return [_without_nan(row) for row in _rows(given)]


def _without_nan(row: object) -> object:
    if type(row) is dict:
        return {name: missing_if_nan(value) for name, value in row.items()}
    return [missing_if_nan(value) for value in row] if type(row) is list else row


def _inputs(given: object) -> list[object]:
    """Columns by name, or rows."""
    if type(given) is not dict:
        return _frame_rows(given)
    columns = {name: _column(name, values) for name, values in given.items()}
    if len({len(values) for values in columns.values()}) > 1:
        raise invalid("has columns of different lengths", "as many values each", field="inputs")
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def _column(name: str, values: object) -> list[object]:
    """One column; arrays of shape [n, 1] arrive as lists of one."""
    if type(values) is not list:
        raise invalid(f"is {name_of(values)}", "an array with a value a row", field=safe_text(name))
    plain = [one[0] if type(one) is list and len(one) == 1 else one for one in values]
    return [missing_if_nan(value) for value in plain]


def _split_rows(given: object) -> list[object]:
    """{"columns": names, "data": rows}, as pandas writes it with orient="split"."""
    if type(given) is not dict or type(given.get("data")) is not list:
        raise invalid("has no data", '{"columns": [...], "data": [[...]]}', field="dataframe_split")
    rows = _frame_rows(given["data"])
    if "columns" not in given:
        return rows
    columns = given["columns"]
    if type(columns) is not list or not all(type(name) is str for name in columns):
        raise invalid("is not an array of names", "names of features", field="columns")
    return list[object](_with_names(columns, rows))


def _with_names(names: list[str], rows: list[Any]) -> list[dict[str, Any]]:
    if len(set(names)) < len(names):
        raise invalid("names a column twice", "each name once", field="columns")
    for index, row in enumerate(rows):
        if type(row) is not list or len(row) != len(names):
            raise invalid("does not fit the columns", f"an array of {len(names)} values", row=index)
    return [dict(zip(names, row, strict=True)) for row in rows]


def _line_row(line: object) -> object:
    """A row alone, or as the `features` of an object."""
    return line["features"] if type(line) is dict and line.keys() == {"features"} else line


def _csv_rows(body: bytes, schema: FeatureSchema) -> list[object]:
    """Lines under a header, or in schema order: the first line is a header if it only has names."""
    kinds = {feature.name: feature.kind for feature in schema.features}
    lines = _csv_lines(body)
    if not lines or not kinds.keys() >= set(lines[0]):
        columns = list(kinds.values())
        return [_cells(line, columns) if len(line) == len(columns) else line for line in lines]
    names, *rest = lines
    return [
        {name: from_text(cell, kinds[name]) for name, cell in row.items()}
        for row in _with_names(names, rest)
    ]


def _csv_lines(body: bytes) -> list[list[str]]:
    try:
        text = body.decode("utf-8-sig")
        return [line for line in csv.reader(io.StringIO(text, newline=""), strict=True) if line]
    except UnicodeDecodeError as error:
        problem = f"the body is not UTF-8: {error.reason} at byte {error.start}"
    except csv.Error as error:
        problem = f"the body is not CSV: {error}"
    raise invalid(problem, "comma separated values, quoted with double quotes")


def _cells(line: list[str], kinds: list[Any]) -> list[object]:
    return [from_text(cell, kind) for cell, kind in zip(line, kinds, strict=True)]


_INVOCATIONS = Form(
    {
        "features": lambda row: [row],
        "instances": _rows,
        "inputs": _inputs,
        "dataframe_split": _split_rows,
        "dataframe_records": _frame_rows,
    },
    "params",
    frozenset({"event_time", "params"}),
)
_VERTEX = Form({"instances": _rows}, "parameters", frozenset({"parameters"}))
