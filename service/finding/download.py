"""Predictions as files: CSV that no spreadsheet takes for formulas, and JSON."""

import csv
from datetime import datetime
from io import StringIO
from typing import Any

import msgspec

from service.finding.read import Page

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_COLUMNS = ("prediction_id", "event_time", "predicted_at", "model_version", "prediction",
            "probability", "outcome")  # fmt: skip


def to_csv(page: Page) -> str:
    """One line a prediction; a feature's column is called features.NAME."""
    names = list(dict.fromkeys(name for row in page.rows for name in row["features"]))
    text = StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*_COLUMNS, *(f"features.{name}" for name in names)])
    for row in page.rows:
        values = [*(row[name] for name in _COLUMNS), *(row["features"].get(n) for n in names)]
        writer.writerow([harmless(value) for value in values])
    return text.getvalue()


def to_json(page: Page, following: str) -> bytes:
    """The same rows; `next` is the address of those that follow, or null."""
    return msgspec.json.encode({"predictions": page.rows, "next": following or None})


def harmless(value: Any) -> Any:
    """A cell; text that a spreadsheet would calculate gets an apostrophe before it."""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, datetime) else value
