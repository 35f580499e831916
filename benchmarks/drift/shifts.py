"""Changes that are put into a window, and the column that a check should name first."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.drift.data import Table

Values = NDArray[Any]
Change = Callable[[Values, np.random.Generator], Values]
Into = Callable[[Table, np.random.Generator], Table]


@dataclass(frozen=True)
class Shift:
    """A change of a window.

    Attributes:
        columns: any of which is the right cause.
    """

    name: str
    columns: tuple[str, ...]
    into: Into


def _of(column: str, change: Change) -> tuple[tuple[str, ...], Into]:
    """A change of one column."""

    def into(window: Table, generator: np.random.Generator) -> Table:
        return _with(window, {column: change(window.columns[column], generator)})

    return (column,), into


def _swapped(first: str, second: str) -> tuple[tuple[str, ...], Into]:
    def into(window: Table, _: np.random.Generator) -> Table:
        return _with(window, {first: window.columns[second], second: window.columns[first]})

    return (first, second), into


def _vanished(column: str, category: str) -> tuple[tuple[str, ...], Into]:
    """The rows of a category do not come any more."""
    return (column,), lambda window, _: window.take(window.columns[column] != category)


def _with(window: Table, columns: dict[str, Values]) -> Table:
    return replace(window, columns={**window.columns, **columns})


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


def _stuck(share: float, value: float) -> Change:
    return _partly(share, value)


def _spread(factor: float) -> Change:
    """About the window's own mean."""

    def change(values: Values, _: np.random.Generator) -> Values:
        middle = np.nanmean(values.astype(float))
        return np.asarray(middle + factor * (values - middle))

    return change


def _rounded(unit: float) -> Change:
    return lambda values, _: np.round(values.astype(float) / unit) * unit


def _shuffled(values: Values, generator: np.random.Generator) -> Values:
    """The same values, but no longer beside those that they belong to."""
    return values[generator.permutation(len(values))]


ON_FLIGHTS = [
    Shift("unit change: miles to km", *_of("distance", _times(1.609))),
    Shift("5 % missing", *_of("temp", _partly(0.05, np.nan))),
    Shift("20 % of a carrier become a new code", *_of("carrier", _partly(0.2, "ZZ", "UA"))),
    Shift("unit change: Fahrenheit to Celsius", *_of("temp", _times(1 / 1.8, -32 / 1.8))),
    Shift("30 % of a carrier become another", *_of("carrier", _partly(0.3, "UA", "B6"))),
    Shift("distance +0.25 sd", *_of("distance", _plus(0.25))),
    Shift("departure +0.25 sd", *_of("sched_dep", _plus(0.25))),
    Shift("departure +60 minutes", *_of("sched_dep", _times(1, 60))),
    Shift("clock shifted by 5 hours", *_of("sched_dep", lambda v, _: (v + 300) % 1440)),
    Shift("spread of distance x1.5", *_of("distance", _spread(1.5))),
    Shift("spread of humidity x1.5", *_of("humid", _spread(1.5))),
    Shift("temperature and dew point swapped", *_swapped("temp", "dewp")),
    Shift("departure and arrival swapped", *_swapped("sched_dep", "sched_arr")),
    Shift("distance no longer beside its flight", *_of("distance", _shuffled)),
    Shift("dew point no longer beside its hour", *_of("dewp", _shuffled)),
    Shift("a rare carrier vanishes", *_vanished("carrier", "WN")),
    Shift("departure rounded to hours", *_of("sched_dep", _rounded(60))),
    Shift("temperature rounded to tens", *_of("temp", _rounded(10))),
    Shift("10 % stuck at a usual value", *_of("pressure", _stuck(0.1, 1018.0))),
]
ON_INDEPENDENT = [
    Shift("+0.1 sd", *_of("number 0", lambda values, _: values + 0.1)),
    Shift("10 % to 15 %", *_of("rate 0.1", _partly(0.05 / 0.9, "yes", "no"))),
    Shift("50 % to 60 %", *_of("rate 0.5", _partly(0.2, "yes", "no"))),
    Shift("spread x1.2", *_of("number 0", _spread(1.2))),
    Shift("5 % stuck at 0", *_of("number 0", _stuck(0.05, 0.0))),
    Shift("a category of ten vanishes", *_vanished("10 categories", "3")),
]
