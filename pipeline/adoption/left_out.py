"""Columns that are no features: constants, texts, identifiers."""

import re

import numpy as np
import pandas as pd

from contracts.schema import MAGNITUDE_LIMIT
from pipeline.adoption.infer_columns import Column

MOST_MISSING = 0.99
TEXT_CHARACTERS = 30
LONG_CHARACTERS = 200
TEXT_SHARE = 0.5
UNIQUE_SHARE = 0.9
# From here on, whole numbers that are all different are keys rather than measurements.
MANY_ROWS = 1000
ID_SHARE = 0.1
ID_NAME = re.compile(
    r"(?i)(^|[\W_])(id|ids|key|uuid|guid|index|idx|nr|no|num|number|row|rownum|serial|hash|code)$"
    r"|[a-z](ID|Id|Key|Uuid|UUID|Nr|No)$|^unnamed: ?\d+$"
)
TIME_NAME = re.compile(r"(?i)time|date|moment|created|_at$|^at_|^ts$|^day$|^month$|datum|zeit")


def reason_to_leave_out(column: Column) -> str | None:
    """Why a column is no feature by itself; None if it may be one."""
    held = column.rows - column.missing
    if held == 0:
        return "missing in every row"
    if column.distinct <= 1:
        return "constant" if column.missing == 0 else "one value, otherwise missing"
    if column.missing > MOST_MISSING * column.rows:
        return f"missing in {column.missing / column.rows:.1%} of rows"
    if column.kind in ("integer", "numeric") and (column.sample.abs() > MAGNITUDE_LIMIT).any():
        return f"has values beyond {MAGNITUDE_LIMIT:g}, which are no data"
    if column.kind == "integer":
        return _whole_numbers(column, held)
    return _texts(column, held) if column.kind == "categorical" else None


def looks_like_time(column: Column) -> bool:
    """Whether a column may say when a row became a question."""
    return (
        column.kind == "datetime" and column.distinct > 20 and bool(TIME_NAME.search(column.name))
    )


def _whole_numbers(column: Column, held: int) -> str | None:
    named = bool(ID_NAME.search(column.name))
    if named and ID_SHARE * held <= column.distinct < held and column.distinct > 20:
        return "an identifier by its name; rows of one stay together with --id"
    if column.distinct < held or column.missing:
        return None
    if _monotone(column.sample):
        return "a row number: whole numbers, all different, in order"
    span = float(column.sample.max()) - float(column.sample.min())
    if named or held >= MANY_ROWS or span < 2 * held:
        return "an identifier: whole numbers, all different"
    return None


def _monotone(sample: pd.Series) -> bool:
    steps = np.diff(sample.to_numpy(np.float64))
    return bool((steps >= 0).all() or (steps <= 0).all())


def _texts(column: Column, held: int) -> str | None:
    share = column.distinct / held
    lengths = column.sample.dropna().head(10_000).str.len()
    long = float(lengths.mean())
    if (long >= TEXT_CHARACTERS and share >= TEXT_SHARE) or long >= LONG_CHARACTERS:
        return f"free text: {share:.0%} of values differ, {long:.0f} characters on average"
    if share >= UNIQUE_SHARE:
        return f"an identifier: {share:.0%} of values differ"
    if ID_NAME.search(column.name) and share >= ID_SHARE and column.distinct > 1000:
        return "an identifier by its name; rows of one stay together with --id"
    return None
