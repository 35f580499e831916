"""Reads what a check wrote down; an older one knew less, a newer one may know more.

Everything here may be absent or of another form than expected: then there is nothing to show.
"""

import math
from collections.abc import Mapping
from typing import Any

Interval = tuple[float, float]


def section(found: object, name: str) -> Mapping[str, Any]:
    """A part of the findings; empty if there is none."""
    part = found.get(name) if isinstance(found, Mapping) else None
    return part if isinstance(part, Mapping) else {}


def entries(found: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A list of parts."""
    part = found.get(name)
    return [each for each in part if isinstance(each, Mapping)] if isinstance(part, list) else []


def texts(found: Mapping[str, Any], name: str) -> list[str]:
    """A list of texts."""
    part = found.get(name)
    return [each for each in part if isinstance(each, str)] if isinstance(part, list) else []


def number(found: Mapping[str, Any], name: str) -> float | None:
    """A finite number."""
    value = found.get(name)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def interval(found: Mapping[str, Any], name: str) -> Interval | None:
    """A pair of finite numbers."""
    pair = found.get(name)
    if not isinstance(pair, list) or len(pair) != 2:
        return None
    low, high = (number({"end": each}, "end") for each in pair)
    return None if low is None or high is None else (low, high)
