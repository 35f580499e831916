"""How often no change alarms, and how soon a change does: shares of windows.

Every window has a seed of its own, so that figures do not depend on how many processes share them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

from benchmarks.drift.data import Table, flights, independent
from benchmarks.drift.judges import Found, Judge, evidently_default, ours
from benchmarks.drift.shifts import FRESH, ON_FLIGHTS, ON_INDEPENDENT, Shift

Figures = dict[str, Any]
Pair = tuple[Table, Table]
Make = Callable[[np.random.Generator], Pair]
Work = tuple[str, int, bool]  # a kind, the number of a window, whether Evidently judges it too

REFERENCE_ROWS = 20_000
SIZES = (1_000, 10_000, 100_000)
DAYS = (1, 3, 7)
CATEGORIES = (3, 10, 30, 100)
POWER_ROWS = 10_000
RATES = {"rows": 0.01, "days": 0.05, "categories": 0.05}  # declared
_CHANGED = 10_000  # seeds of windows with a change begin here

_flights = cache(flights)  # a process reads them once


@dataclass(frozen=True)
class Kind:
    """Windows of one kind.

    Attributes:
        rate: of false alarms that is declared.
        shift: what is put into them; None = they have no change.
    """

    size: str
    make: Make
    rate: float
    independent_rows: bool
    shift: Shift | None = None

    @property
    def name(self) -> str:
        return f"{self.shift.name}, {self.size}" if self.shift else self.size


@dataclass(frozen=True)
class Outcome:
    """What was said of one window; `theirs` None = Evidently was not asked."""

    ours: Found
    theirs: bool | None


def unchanged() -> list[Kind]:
    """Windows without a change: any alarm is a false one."""
    rows = [Kind(f"{n} independent rows", partial(_rows, n), RATES["rows"], True) for n in SIZES]
    days = [Kind(f"{n} random days", partial(_days, n), RATES["days"], False) for n in DAYS]
    texts = [
        Kind(f"{n} categories", partial(_categories, n), RATES["categories"], True)
        for n in CATEGORIES
    ]
    return rows + days + texts


def changed() -> list[Kind]:
    """Windows with each of the changes."""
    name, make = f"{POWER_ROWS} independent rows", partial(_rows, POWER_ROWS)
    return [Kind(name, make, RATES["rows"], True, shift) for shift in ON_INDEPENDENT] + [
        Kind(f"{n} days", partial(_week, n), RATES["days"], False, shift)
        for shift in [*ON_FLIGHTS, *FRESH]
        for n in (DAYS if shift in ON_FLIGHTS else DAYS[-1:])
    ]


@cache
def all_kinds() -> dict[str, Kind]:
    """By name: what is put into a window cannot be sent to another process."""
    return {kind.name: kind for kind in [*unchanged(), *changed()]}


def judge_work(work: Work) -> tuple[str, Outcome]:
    name, number, beside = work
    return name, look(all_kinds()[name], number, beside=beside)


def look(kind: Kind, number: int, *, beside: bool) -> Outcome:
    """Judge one window.

    Args:
        beside: whether Evidently judges it, too.
    """
    generator = np.random.default_rng(number + (_CHANGED if kind.shift else 0))
    reference, window = kind.make(generator)
    if kind.shift:
        window = kind.shift.into(window, generator)
    found = _ours(reference, kind, generator)(window)
    return Outcome(found, evidently_default(reference)(window).alarm if beside else None)


def _ours(reference: Table, kind: Kind, generator: np.random.Generator) -> Judge:
    return ours(
        reference.bins(), reference, kind.rate, generator, independent_rows=kind.independent_rows
    )


def false_alarms(kind: Kind, outcomes: Sequence[Outcome]) -> Figures:
    """Shares of windows without a change that alarm."""
    return {
        "declared": kind.rate,
        "ours": sum(each.ours.alarm for each in outcomes) / len(outcomes),
        "windows": len(outcomes),
        **_beside(outcomes),
    }


def power(kind: Kind, outcomes: Sequence[Outcome]) -> Figures:
    """Shares of windows with a change that alarm, and of these that name its column.

    `delay_windows` is how many windows go by unnoticed, on average, before the first that alarms:
    0 = none; None = no window did.
    """
    alarms = sum(each.ours.alarm for each in outcomes)
    ranks = list(_ranks(outcomes, kind.shift.columns if kind.shift else ()))
    return {
        "detected": alarms / len(outcomes),
        "delay_windows": (len(outcomes) - alarms) / alarms if alarms else None,
        "cause_first": sum(rank == 0 for rank in ranks) / max(len(ranks), 1),
        "cause_in_three": sum(rank < 3 for rank in ranks) / max(len(ranks), 1),
        "windows": len(outcomes),
        **_beside(outcomes),
    }


def _beside(outcomes: Sequence[Outcome]) -> Figures:
    asked = [each.theirs for each in outcomes if each.theirs is not None]
    share = sum(asked) / len(asked) if asked else None
    return {"evidently_default": share, "evidently_windows": len(asked)}


def _ranks(outcomes: Sequence[Outcome], columns: tuple[str, ...]) -> Iterator[int]:
    """Where the first of the right causes stands, in each window that alarmed."""
    for each in outcomes:
        if each.ours.alarm:
            causes = each.ours.causes
            places = [place for place, cause in enumerate(causes) if cause in columns]
            yield min(places, default=len(causes))


def _rows(size: int, generator: np.random.Generator) -> Pair:
    return independent(REFERENCE_ROWS, generator), independent(size, generator)


def _days(number: int, generator: np.random.Generator) -> Pair:
    table = _flights()
    chosen = generator.choice(np.unique(table.days), number, replace=False)
    inside = np.isin(table.days, chosen)
    return table.take(~inside), table.take(inside)


def _week(number: int, generator: np.random.Generator) -> Pair:
    table = _flights()
    days = np.unique(table.days)  # golden days are left out: live windows have no such gaps
    starts = np.flatnonzero(days[number - 1 :] - days[: len(days) - number + 1] == number - 1)
    start = generator.choice(starts)
    inside = np.isin(table.days, days[start : start + number])
    return table.take(~inside), table.take(inside)


def _categories(number: int, generator: np.random.Generator) -> Pair:
    shares = generator.dirichlet(np.ones(number))
    names = generator.choice(number, (2, 1000), p=shares).astype(str).astype(object)
    first, second = (Table({"name": n}, frozenset(["name"]), np.zeros(1000, int)) for n in names)
    return first, second
