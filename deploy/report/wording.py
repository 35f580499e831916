"""How numbers and moments read in the report: the filters of its templates."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import pandas as pd

KB = 1000


def count(value: float) -> str:
    """1234567 -> 1,234,567."""
    return f"{value:,.0f}"


def decimal(value: float, places: int = 3) -> str:
    return f"{value:.{places}f}"


def share(value: float, places: int = 1) -> str:
    """0.123 -> 12.3 %; the blank does not break."""
    return f"{100 * value:.{places}f}\N{NO-BREAK SPACE}%"


def day(value: date | datetime | pd.Timestamp | str) -> str:
    """1 January 2013."""
    at = pd.Timestamp(value)
    return f"{at.day}\N{NO-BREAK SPACE}{at:%B} {at.year}"


def month(value: str) -> str:
    """2013-04 -> April 2013."""
    return f"{pd.Timestamp(value + '-01'):%B}\N{NO-BREAK SPACE}{value[:4]}"


def size(value: float) -> str:
    """Bytes in the unit that fits."""
    for unit in ("B", "kB", "MB"):
        if value < KB:
            return f"{value:.0f}\N{NO-BREAK SPACE}{unit}"
        value /= KB
    return f"{value:.1f}\N{NO-BREAK SPACE}GB"


def interval(ends: Sequence[float], places: int = 3) -> str:
    low, high = ends
    return f"{low:.{places}f} to {high:.{places}f}"


def settings(values: str | Mapping[str, Any]) -> str:
    """A candidate's settings in one line."""
    found = json.loads(values) if isinstance(values, str) else values
    return ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in found.items())


def plain(name: str) -> str:
    """gradient_boosting -> gradient boosting."""
    return name.replace("_", " ")


FILTERS: dict[str, Callable[..., str]] = {
    "count": count, "decimal": decimal, "share": share, "day": day, "month": month,
    "size": size, "interval": interval, "settings": settings, "plain": plain,
}  # fmt: skip
