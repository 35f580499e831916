"""Faults of the data show in one block, and ordinary blocks have none."""

from collections.abc import Callable

import numpy as np
import pytest

from contracts.profiles import Profile, count, numeric_bins, text_bins
from monitoring.quality import MIN_ROWS, Fault, find_faults

DAYS, ROWS = 60, 300
Columns = dict[str, object]


def rows(seed: int) -> tuple[Columns, np.ndarray]:
    generator = np.random.default_rng(seed)
    day = np.repeat(np.arange(DAYS), ROWS)
    miles = generator.gamma(4, 200, len(day))
    temp = generator.normal(size=DAYS)[day] * 10 + generator.normal(size=len(day))
    temp[generator.random(len(day)) < 0.01] = np.nan
    shop = generator.choice(["a", "b", "c"], len(day)).astype(object)
    return {"miles": miles, "temp": temp, "shop": shop, "flag": np.ones(len(day))}, day


def find(change: Callable[[Columns], Columns], seed: int = 0, at: int = 30) -> list[Fault]:
    columns, day = rows(seed)
    bins = [
        (text_bins if name == "shop" else numeric_bins)(name, values)
        for name, values in columns.items()
    ]
    inside = day == at
    before, after = ({n: v[m] for n, v in columns.items()} for m in (~inside, inside))
    changed = change(after)
    return find_faults(
        bins, count(bins, before, day[~inside]), count(bins, changed, day[inside][: size(changed)])
    )


def size(columns: Columns) -> int:
    return len(next(iter(columns.values())))


def test_ordinary_days_have_no_faults() -> None:
    assert [find(dict, seed, at) for seed in range(4) for at in range(0, DAYS, 5)] == [[]] * 48


def partly(name: str, value: object, share: float) -> Callable[[Columns], Columns]:
    def change(columns: Columns) -> Columns:
        hit = np.random.default_rng(1).random(size(columns)) < share
        values = columns[name].copy()
        values[hit] = value
        return {**columns, name: values}

    return change


def kilometres(columns: Columns) -> Columns:
    return {**columns, "miles": columns["miles"] * 1.609}


@pytest.mark.parametrize(
    ("change", "column", "kind", "said"),
    [
        (kilometres, "miles", "unlike", "a changed unit"),
        (partly("temp", np.nan, 0.06), "temp", "missing", "of the values are missing"),
        (partly("shop", "new", 0.03), "shop", "unseen", "never seen in training"),
        (partly("miles", 800.0, 1.0), "miles", "stuck", "every value is the same"),
        (partly("miles", np.nan, 1.0), "miles", "missing", "100.0% of the values"),
        (lambda columns: {n: v for n, v in columns.items() if n != "shop"},
         "shop", "missing", "100.0%"),
    ],
    ids=["unit", "missing", "new code", "stuck", "all missing", "absent"],
)  # fmt: skip
def test_a_fault_is_found_in_one_day_and_told(
    change: Callable[[Columns], Columns], column: str, kind: str, said: str
) -> None:
    for seed in range(5):
        faults = find(change, seed)
        assert (column, kind) in [(fault.column, fault.kind) for fault in faults]
        assert {fault.column for fault in faults} == {column}
        told = next(str(fault) for fault in faults if fault.kind == kind)
        assert told.startswith(f"{column}: ")
        assert said in told


def test_a_column_with_few_values_may_have_one_for_a_day() -> None:
    assert find(partly("shop", "a", 0.0)) == []
    assert all(fault.column != "flag" for fault in find(kilometres))


def test_the_gravest_fault_comes_first() -> None:
    both = find(lambda columns: partly("temp", np.nan, 0.06)(partly("shop", "new", 0.5)(columns)))
    assert [fault.column for fault in both][0] == "shop"


def test_too_few_rows_have_no_faults() -> None:
    def few(columns: Columns) -> Columns:
        return {n: v[: MIN_ROWS - 1] for n, v in kilometres(columns).items()}

    assert find(few) == []


def test_a_reference_of_one_block_has_no_usual() -> None:
    columns, day = rows(0)
    bins = [numeric_bins("miles", columns["miles"])]
    one = count(bins, columns, np.zeros(len(day)))
    other = count(bins, kilometres(columns), np.ones(len(day)))
    assert find_faults(bins, one, other) == []
    nothing = Profile(np.array([], np.int64), {"miles": one.counts["miles"][:0]})
    assert find_faults(bins, one, nothing) == []
