"""The form of one question: a control for each feature, what was typed, and what is wrong. Pure."""

import csv
import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import StringIO
from typing import Any

from contracts.schema import Feature, FeatureSchema
from service.answer.decoder import Problem

MOST_CHOICES = 300  # of a category; more are suggestions nobody reads
MOST_ROWS = 100_000
_CONTROLS = {"integer": "number", "numeric": "number", "boolean": "choice", "datetime": "moment"}


class TableError(ValueError):
    """Pasted rows cannot be read."""


@dataclass(frozen=True)
class Field:
    """One control.

    Attributes:
        name: of the input; features' own names may be anything.
        control: number, choice, text or moment.
        step: of a number.
        hint: the range or choices that training has seen.
        value: as typed, or the example.
        problem: why the service refused it, and what it takes; "" = nothing is wrong.
    """

    name: str
    label: str
    control: str
    required: bool
    step: str
    hint: str
    choices: tuple[str, ...]
    value: str
    problem: str = ""


def make_fields(
    schema: FeatureSchema, typed: Mapping[str, str] | None, problems: Sequence[Problem] = ()
) -> list[Field]:
    """The controls, with what was typed; with the example at first."""
    wrong = {one.field: f"{one.problem}; allowed: {one.allowed}" for one in problems}
    return [
        _field(i, feature, typed, wrong.get(feature.name, ""))
        for i, feature in enumerate(schema.features)
    ]


def row_of(schema: FeatureSchema, typed: Mapping[str, str]) -> dict[str, object]:
    """What was typed as a row of POST /predict; what is no number stays text, to be refused."""
    return {
        feature.name: _value(feature, typed.get(f"f{i}", "").strip())
        for i, feature in enumerate(schema.features)
    }


def rows_of(schema: FeatureSchema, text: str) -> list[dict[str, object]]:
    """Rows pasted as CSV or from a spreadsheet, with a header.

    Raises:
        TableError: no header, unknown columns, or too many rows.
    """
    known = {feature.name: feature for feature in schema.features}
    header, rows = read_table(text)
    if not rows or not known.keys() & set(header):
        raise TableError(f"the first line has to name columns, like: {','.join(known)}"[:500])
    if len(rows) > MOST_ROWS:
        raise TableError(f"{len(rows)} rows; at most {MOST_ROWS} in one file")
    columns = [(at, known[name]) for at, name in enumerate(header) if name in known]
    return [{f.name: _value(f, row[at].strip()) for at, f in columns} for row in rows]


def read_table(text: str) -> tuple[list[str], list[list[str]]]:
    """The header, and rows that have a value for each of its names.

    Raises:
        TableError: it is no CSV, or a row has too many or too few values.
    """
    text = text.strip("\r\n")  # a tab at the end is an empty cell
    first = text.split("\n", 1)[0]
    lines = csv.reader(StringIO(text), delimiter="\t" if "\t" in first else ",")
    try:
        header, *rows = [row for row in lines if row] or [[]]
    except csv.Error as error:
        raise TableError(f"this is no CSV: {error}") from None
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise TableError(f"row {number} has {len(row)} values, the header {len(header)}")
    return [name.strip() for name in header], rows


def curl_of(row: Mapping[str, object], base: str) -> str:
    """The command that asks the same."""
    body = shlex.quote(json.dumps({"features": row}))
    key = '-H "Authorization: Bearer $PERENNIAL_API_KEY"'
    return f"curl --json {body} \\\n  {key} \\\n  {base}/predict"


def _field(number: int, feature: Feature, typed: Mapping[str, str] | None, problem: str) -> Field:
    name = f"f{number}"
    return Field(
        name,
        feature.name,
        _CONTROLS.get(feature.kind, "text"),
        not feature.nullable,
        "1" if feature.kind == "integer" else "any",
        _hint(feature),
        ("true", "false") if feature.kind == "boolean" else feature.categories[:MOST_CHOICES],
        _shown(feature) if typed is None else typed.get(name, ""),
        problem,
    )


def _hint(feature: Feature) -> str:
    if feature.categories:
        return f"{len(feature.categories)} values were seen, others are taken too"
    if feature.low is None or feature.high is None:
        return ""
    if feature.kind == "datetime":
        low, high = (datetime.fromtimestamp(end, UTC) for end in (feature.low, feature.high))
        return f"UTC; seen from {low:%Y-%m-%d} to {high:%Y-%m-%d}"
    return f"seen from {feature.low:g} to {feature.high:g}"


def _shown(feature: Feature) -> str:
    if feature.example is None:
        return ""
    if isinstance(feature.example, bool):
        return str(feature.example).lower()
    text = str(feature.example)
    return text.removesuffix("Z").split("+")[0] if feature.kind == "datetime" else text


def _value(feature: Feature, text: str) -> Any:
    if not text:
        return None
    if feature.kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    if feature.kind == "datetime":
        return text if text[-1] in "zZ" or "+" in text[10:] else f"{text}Z"
    if feature.kind in ("numeric", "integer"):
        return _number(text)
    return text


def _number(text: str) -> Any:
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number):
        return text
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
