"""How often no change alarms, and how soon a change does: shares of windows."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from benchmarks.drift.data import Table, flights, independent
from benchmarks.drift.judges import Found, Judge, evidently_default, ours
from benchmarks.drift.shifts import ON_FLIGHTS, ON_INDEPENDENT, Shift

Tick = Callable[[], object]
Figures = dict[str, Any]

REFERENCE_ROWS = 20_000
SIZES = (1_000, 10_000, 100_000)
DAYS = (1, 3, 7)
CATEGORIES = (3, 10, 30, 100)
POWER_ROWS = 10_000
RATES = {"rows": 0.01, "days": 0.05, "categories": 0.05}  # declared


def false_alarms(windows: int, beside: int, tick: Tick) -> Figures:
    """Share of windows without a change that alarm.

    Args:
        windows: of each kind, judged by ours.
        beside: how many of them Evidently judges too.
    """
    kinds: Mapping[str, tuple[str, Callable[[np.random.Generator], _Pair]]] = {
        **{f"{n} independent rows": ("rows", partial(_rows, n)) for n in SIZES},
        **{f"{n} random days": ("days", partial(_days, flights(), n)) for n in DAYS},
        **{f"{n} categories": ("categories", partial(_categories, n)) for n in CATEGORIES},
    }
    return {
        name: _rates(make, RATES[kind], kind != "days", windows, beside, tick)
        for name, (kind, make) in kinds.items()
    }


_Pair = tuple[Table, Table]


def _rates(
    make: Callable[[np.random.Generator], _Pair],
    rate: float,
    independent_rows: bool,
    windows: int,
    beside: int,
    tick: Tick,
) -> Figures:
    alarms = theirs = 0
    for seed in range(windows):
        generator = np.random.default_rng(seed)
        reference, window = make(generator)
        alarms += _ours(reference, rate, generator, independent_rows)(window).alarm
        if seed < beside:
            theirs += evidently_default(reference)(window).alarm
        tick()
    return {
        "declared": rate,
        "ours": alarms / windows,
        "windows": windows,
        "evidently_default": theirs / beside if beside else None,
        "evidently_windows": beside,
    }


def _ours(
    reference: Table, rate: float, generator: np.random.Generator, independent_rows: bool
) -> Judge:
    bins = reference.bins()
    profile = reference.profile(bins)
    return ours(bins, profile, rate, generator, independent_rows=independent_rows)


def _rows(size: int, generator: np.random.Generator) -> _Pair:
    return independent(REFERENCE_ROWS, generator), independent(size, generator)


def _days(table: Table, number: int, generator: np.random.Generator) -> _Pair:
    chosen = generator.choice(np.unique(table.days), number, replace=False)
    inside = np.isin(table.days, chosen)
    return table.take(~inside), table.take(inside)


def _categories(number: int, generator: np.random.Generator) -> _Pair:
    shares = generator.dirichlet(np.ones(number))
    names = generator.choice(number, (2, 1000), p=shares).astype(str).astype(object)
    first, second = (Table({"name": n}, frozenset(["name"]), np.zeros(1000, int)) for n in names)
    return first, second


def power(windows: int, beside: int, tick: Tick) -> Figures:
    """Share of windows with a change that alarm, by change and size."""
    found: Figures = {}
    for shift in ON_INDEPENDENT:
        found[shift.name] = {f"{POWER_ROWS} independent rows": _detected(
            lambda generator: _rows(POWER_ROWS, generator),
            shift, RATES["rows"], True, windows, beside, tick,
        )}  # fmt: skip
    table = flights()
    for shift in ON_FLIGHTS:
        sizes = {
            f"{days} days": _detected(
                partial(_week, table, days), shift, RATES["days"], False, windows, beside, tick
            )
            for days in DAYS
        }
        found[shift.name] = sizes | {"delay_windows": _delay(sizes)}
    return found


def _week(table: Table, number: int, generator: np.random.Generator) -> _Pair:
    days = np.unique(table.days)
    start = generator.integers(0, len(days) - number + 1)
    inside = np.isin(table.days, days[start : start + number])
    return table.take(~inside), table.take(inside)


def _detected(
    make: Callable[[np.random.Generator], _Pair],
    shift: Shift,
    rate: float,
    independent_rows: bool,
    windows: int,
    beside: int,
    tick: Tick,
) -> Figures:
    ours_found: list[Found] = []
    theirs = 0
    for seed in range(windows):
        generator = np.random.default_rng(10_000 + seed)
        reference, window = make(generator)
        window = shift.into(window, generator)
        ours_found.append(_ours(reference, rate, generator, independent_rows)(window))
        if seed < beside:
            theirs += evidently_default(reference)(window).alarm
        tick()
    ranks = list(_ranks(ours_found, shift.columns))
    return {
        "detected": sum(found.alarm for found in ours_found) / windows,
        "cause_first": sum(rank == 0 for rank in ranks) / max(len(ranks), 1),
        "cause_in_three": sum(rank < 3 for rank in ranks) / max(len(ranks), 1),
        "windows": windows,
        "evidently_default": theirs / beside if beside else None,
    }


def _ranks(found: list[Found], columns: tuple[str, ...]) -> Iterator[int]:
    """Where the first of the right causes stands, in each window that alarmed."""
    for each in found:
        if each.alarm:
            places = [place for place, cause in enumerate(each.causes) if cause in columns]
            yield min(places, default=len(each.causes))


def _delay(sizes: Mapping[str, Figures]) -> str | None:
    """The shortest window that finds nineteen of twenty."""
    return next((name for name, each in sizes.items() if each["detected"] >= 0.95), None)
