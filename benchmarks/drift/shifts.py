"""Changes that are put into a window, and the column that a check should name first."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift.data import Table

Values = NDArray[Any]
Change = Callable[[Values, np.random.Generator], Values]


@dataclass(frozen=True)
class Shift:
    name: str
    column: str
    change: Change

    def into(self, window: Table, generator: np.random.Generator) -> Table:
        changed = self.change(window.columns[self.column], generator)
        return replace(window, columns={**window.columns, self.column: changed})


def _partly(share: float, value: object, among: object = None) -> Change:
    """`value` in a share of the rows, or of those that are `among`."""

    def change(values: Values, generator: np.random.Generator) -> Values:
        hit = generator.random(len(values)) < share
        changed = values.astype(float) if isinstance(value, float) else values.copy()
        changed[hit & (values == among) if among is not None else hit] = value
        return changed

    return change


def _plus(deviations: float) -> Change:
    """Of the window's own standard deviation."""
    return lambda values, _: values + deviations * np.nanstd(values.astype(float))


def _times(factor: float, plus: float = 0.0) -> Change:
    return lambda values, _: values * factor + plus


ON_FLIGHTS = [
    Shift("unit change: miles to km", "distance", _times(1.609)),
    Shift("5 % missing", "temp", _partly(0.05, np.nan)),
    Shift("20 % of a carrier become a new code", "carrier", _partly(0.2, "ZZ", "UA")),
    Shift("unit change: Fahrenheit to Celsius", "temp", _times(1 / 1.8, -32 / 1.8)),
    Shift("30 % of a carrier become another", "carrier", _partly(0.3, "UA", "B6")),
    Shift("distance +0.25 sd", "distance", _plus(0.25)),
    Shift("departure +0.25 sd", "sched_dep", _plus(0.25)),
    Shift("departure +60 minutes", "sched_dep", _times(1, 60)),
]
ON_INDEPENDENT = [
    Shift("+0.1 sd", "number 0", lambda values, _: values + 0.1),
    Shift("10 % to 15 %", "rate 0.1", _partly(0.05 / 0.9, "yes", "no")),
    Shift("50 % to 60 %", "rate 0.5", _partly(0.2, "yes", "no")),
]
