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


def _cut(unit: float) -> Change:
    return lambda values, _: np.floor(values / unit) * unit


def _shuffled(share: float) -> Change:
    """The same values, but in so many rows no longer beside those that they belong to."""

    def change(values: Values, generator: np.random.Generator) -> Values:
        hit = np.flatnonzero(generator.random(len(values)) < share)
        changed = values.copy()
        changed[hit] = values[generator.permutation(hit)]
        return changed

    return change


def _copied(column: str, other: str, share: float) -> tuple[tuple[str, ...], Into]:
    """In a share of the rows the value of another column."""

    def into(window: Table, generator: np.random.Generator) -> Table:
        hit = generator.random(len(window)) < share
        values = np.where(hit, window.columns[other], window.columns[column])
        return _with(window, {column: values})

    return (column,), into


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
    Shift("distance no longer beside its flight", *_of("distance", _shuffled(1))),
    Shift("dew point no longer beside its hour", *_of("dewp", _shuffled(1))),
    Shift("a rare carrier vanishes", *_vanished("carrier", "WN")),
    Shift("departure rounded to hours", *_of("sched_dep", _rounded(60))),
    Shift("temperature rounded to tens", *_of("temp", _rounded(10))),
    Shift("10 % stuck at a usual value", *_of("pressure", _stuck(0.1, 1018.0))),
]
# Invented after all margins had been chosen on the ones above, and on weeks of April to December.
FRESH = [
    Shift("30 % of destinations shuffled", *_of("dest", _shuffled(0.3))),
    Shift("arrival no longer beside its flight", *_of("sched_arr", _shuffled(1))),
    Shift("carrier no longer beside its flight", *_of("carrier", _shuffled(1))),
    Shift("gust in km/h", *_of("wind_gust", _times(1.609))),
    Shift("departure cut to quarter hours", *_of("sched_dep", _cut(15))),
    Shift("wind direction in quarters", *_of("wind_dir", _rounded(90))),
    Shift("visibility no more than 9", *_of("visib", lambda v, _: np.minimum(v, 9))),
    Shift("pressure without decimals", *_of("pressure", _rounded(1))),
    Shift("pressure +3", *_of("pressure", _times(1, 3))),
    Shift("20 % of dew points are the temperature", *_copied("dewp", "temp", 0.2)),
    Shift("missing gusts become 0", *_of("wind_gust", lambda v, _: np.nan_to_num(v))),
    Shift("10 % of distances become 0", *_of("distance", _stuck(0.1, 0.0))),
    Shift("humidity as a fraction", *_of("humid", _times(0.01))),
    Shift("10 % of departures at noon", *_of("sched_dep", _stuck(0.1, 720.0))),
    Shift("5 % of temperatures stuck", *_of("temp", _stuck(0.05, 41.0))),
    Shift("half of an origin become another", *_of("origin", _partly(0.5, "JFK", "LGA"))),
    Shift("no flights to Boston", *_vanished("dest", "BOS")),
]
ON_INDEPENDENT = [
    Shift("+0.1 sd", *_of("number 0", lambda values, _: values + 0.1)),
    Shift("10 % to 15 %", *_of("rate 0.1", _partly(0.05 / 0.9, "yes", "no"))),
    Shift("50 % to 60 %", *_of("rate 0.5", _partly(0.2, "yes", "no"))),
    Shift("spread x1.2", *_of("number 0", _spread(1.2))),
    Shift("5 % stuck at 0", *_of("number 0", _stuck(0.05, 0.0))),
    Shift("a category of ten vanishes", *_vanished("10 categories", "3")),
]
