"""Tables as files: CSV for spreadsheets, JSON for programs."""

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from fastapi import Response

from service.parts import json_response

Form = Literal["csv", "json"]
MOST_ROWS = 5000  # the newest
# What a spreadsheet would take for a formula; a number with a sign and nothing behind it is none.
_FORMULA = re.compile(r"[=@\t\r]|[+-](?!\d*\.?\d+$)")


def download(name: str, form: Form, rows: Sequence[Mapping[str, Any]]) -> Response:
    """A table as a file; every row has the columns of the first."""
    answer = json_response({name: rows}) if form == "json" else _csv(rows)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}.{form}"'
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer


def _csv(rows: Sequence[Mapping[str, Any]]) -> Response:
    text = io.StringIO()
    if rows:
        writer = csv.writer(text)
        writer.writerow(rows[0])
        writer.writerows([cell(value) for value in row.values()] for row in rows)
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8")


def cell(value: object) -> object:
    """A value of CSV; text that a spreadsheet would calculate gets an apostrophe before it."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict | list):
        return cell(json.dumps(value))
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value
