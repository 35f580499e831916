"""Outcomes as people type or paste them, turned into rows of POST /outcomes. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from contracts.schema import Target
from service.trying.form import TableError, read_table

MOST_ROWS = 1000
_ID, _OUTCOME, _WHEN = "prediction_id", "outcome", "observed_at"
_ZONE = re.compile(r"([zZ]|[+-]\d\d:?\d\d)$")

Row = dict[str, object]


@dataclass(frozen=True)
class Pasted:
    """Rows of a table that have an outcome filled in.

    Attributes:
        places: where in the table each of them is, from 1.
        empty: how many others there are.
    """

    rows: list[Row]
    places: list[int]
    empty: int


def row_of(target: Target, typed: Mapping[str, str]) -> Row:
    """One row; what is no label of the target stays text, to be refused."""
    row: Row = {_ID: typed.get(_ID, "").strip(),
                _OUTCOME: label_of(target, typed.get(_OUTCOME, "").strip())}  # fmt: skip
    when = typed.get(_WHEN, "").strip()
    return row | ({_WHEN: _moment(when)} if when else {})


def rows_of(target: Target, text: str, most: int = MOST_ROWS) -> Pasted:
    """Rows pasted as CSV or from a spreadsheet; other columns than those of an outcome are let be.

    Raises:
        TableError: no header, the needed columns are not there, or too many rows.
    """
    header, lines = read_table(text)
    if not {_ID, _OUTCOME} <= set(header):
        raise TableError("the first line has to name prediction_id and outcome")
    if len(lines) > most:
        raise TableError(f"{len(lines)} rows; at most {most} here, use POST /outcomes for more")
    named = [dict(zip(header, line, strict=True)) for line in lines]
    places = [place for place, line in enumerate(named, 1) if line[_OUTCOME].strip()]
    if not places:
        raise TableError("no row has an outcome")
    rows = [row_of(target, named[place - 1]) for place in places]
    return Pasted(rows, places, len(lines) - len(places))


def label_of(target: Target, text: str) -> object:
    """A class of the target, or a number; what is neither stays text."""
    number = _number(text)
    if target.task == "regression":
        return text if number is None else number
    for label in target.classes:
        is_number = isinstance(label, int | float) and not isinstance(label, bool)
        if str(label) == text or (is_number and label == number):
            return label
    return text


def _moment(text: str) -> str:
    """A day begins at midnight; UTC where there is no zone."""
    if len(text) == len("2013-04-01"):
        return f"{text}T00:00Z"
    return text if _ZONE.search(text[10:]) else f"{text}Z"


def _number(text: str) -> float | int | None:
    try:
        return int(text) if text.lstrip("+-").isdecimal() and len(text) < 16 else float(text)
    except ValueError:
        return None
