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


def number(found: Mapping[str, Any], *names: str) -> float | None:
    """The first of these that is a finite number."""
    for name in names:
        value = found.get(name)
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    return None


def interval(found: Mapping[str, Any], *names: str) -> Interval | None:
    """The first of these that is a pair of finite numbers."""
    for name in names:
        pair = found.get(name)
        if isinstance(pair, list) and len(pair) == 2:
            low, high = (number({"": each}, "") for each in pair)
            if low is not None and high is not None:
                return low, high
    return None
