"""Faults that bins are too wide to show, on made-up days; and usual days have none."""

from collections.abc import Callable

import numpy as np
import pytest

from contracts.profiles import numeric_bins, text_bins
from monitoring.faults import Sample, know, look_for_faults
from monitoring.quality import Fault

DAYS, ROWS, WEEK = 60, 200, 7
Columns = dict[str, np.ndarray]
Change = Callable[[Columns, np.random.Generator], Columns]


def rows(generator: np.random.Generator) -> Sample:
    """Sixty days: weather that days share, a shop with prices of its own, a level up to 100."""
    day = np.repeat(np.arange(DAYS), ROWS)
    weather = generator.normal(20, 5, DAYS)[day] + generator.normal(0, 3, len(day))
    shop = generator.choice(
        list("abcdefgh"), len(day), p=[0.3, 0.2, 0.15, 0.1, 0.1, 0.06, 0.05, 0.04]
    )
    prices = dict(zip("abcdefgh", generator.permutation(8) * 20 + 50, strict=True))
    columns = {
        "heat": np.round(weather, 1),
        "sold": np.round(3 * weather + generator.normal(0, 2, len(day)), 1),
        "price": np.array([prices[each] for each in shop]) + generator.integers(0, 9, len(day)),
        "level": np.minimum(np.round(generator.normal(80, 15, len(day))), 100),
        "shop": shop.astype(object),
        "noise": generator.normal(size=len(day)),
    }
    return Sample(columns, day)


def find(change: Change, seed: int = 0, first: int = 30, days: int = WEEK) -> list[Fault]:
    generator = np.random.default_rng(seed)
    table = rows(generator)
    inside = (table.blocks >= first) & (table.blocks < first + days)
    before, after = (
        Sample({n: v[kept] for n, v in table.columns.items()}, table.blocks[kept])
        for kept in (~inside, inside)
    )
    bins = [
        text_bins(name, values) if values.dtype == object else numeric_bins(name, values)
        for name, values in before.columns.items()
    ]
    changed = change(dict(after.columns), generator)
    length = len(next(iter(changed.values())))
    window = Sample(changed, after.blocks[:length])
    return look_for_faults(know(bins, before, before.profile(bins)), window)


def nothing(columns: Columns, _: np.random.Generator) -> Columns:
    return columns


def shuffled(name: str) -> Change:
    return lambda columns, generator: {**columns, name: generator.permutation(columns[name])}


def without(category: str) -> Change:
    def change(columns: Columns, _: np.random.Generator) -> Columns:
        kept = columns["shop"] != category
        return {name: values[kept] for name, values in columns.items()}

    return change


def to(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda columns, _: {**columns, name: change(columns[name])}


def stuck(columns: Columns, generator: np.random.Generator) -> Columns:
    hit = generator.random(len(columns["heat"])) < 0.15
    return {**columns, "heat": np.where(hit, 20.0, columns["heat"])}


@pytest.mark.parametrize("days", [1, WEEK])
def test_usual_days_have_no_faults(days: int) -> None:
    found = [find(nothing, seed, first, days) for seed in range(6) for first in (5, 25, 45)]
    assert found == [[]] * 18


@pytest.mark.parametrize(
    ("change", "column", "kind"),
    [
        (to("heat", lambda values: np.round(values / 5) * 5), "heat", "rounded"),
        (to("heat", np.round), "heat", "rounded"),
        (to("noise", lambda values: np.round(values, 1)), "noise", "rounded"),
        (stuck, "heat", "repeated"),
        (to("level", lambda values: 80 + 1.5 * (values - 80)), "level", "beyond"),
        (to("price", lambda values: values + 0.5), "price", "unseen"),
        (without("f"), "shop", "vanished"),
        (shuffled("shop"), "price", "relation"),
        (shuffled("sold"), "sold", "relation"),
    ],
    ids=["tens", "whole", "coarser", "stuck", "bound", "between", "vanished", "codes", "numbers"],
)  # fmt: skip
def test_a_fault_that_keeps_the_bins_shares_is_found(
    change: Change, column: str, kind: str
) -> None:
    for seed in range(4):
        faults = find(change, seed)
        pairs = {(name, fault.kind) for fault in faults for name in (fault.column, fault.what)}
        assert (column, kind) in pairs
        assert all(str(fault).startswith(f"{fault.column}: ") for fault in faults)


def test_a_column_that_goes_with_two_others_is_blamed_if_it_leaves_both() -> None:
    def change(columns: Columns, generator: np.random.Generator) -> Columns:
        twin = columns["price"] + generator.integers(0, 5, len(columns["price"]))
        return {**columns, "twin": twin.astype(float)}

    generator = np.random.default_rng(0)
    table = rows(generator)
    columns = change(dict(table.columns), generator)
    inside = table.blocks >= DAYS - WEEK
    before = Sample({n: v[~inside] for n, v in columns.items()}, table.blocks[~inside])
    after = {n: v[inside] for n, v in columns.items()}
    after["price"] = generator.permutation(after["price"])
    bins = [
        text_bins(name, values) if values.dtype == object else numeric_bins(name, values)
        for name, values in before.columns.items()
    ]
    window = Sample(after, table.blocks[inside])
    found = look_for_faults(know(bins, before, before.profile(bins)), window)
    assert [(fault.column, fault.kind) for fault in found] == [("price", "relation")]


def test_a_faulty_column_is_not_told_again_as_a_broken_relation() -> None:
    faults = find(to("sold", lambda values: values * 10))
    assert {fault.column for fault in faults} == {"sold"}
    assert "relation" not in {fault.kind for fault in faults}


def test_a_reference_of_few_blocks_knows_no_worst_run() -> None:
    generator = np.random.default_rng(0)
    table = rows(generator)
    kept = table.blocks < 5
    before = Sample({"heat": table.columns["heat"][kept]}, table.blocks[kept])
    bins = [numeric_bins("heat", before.columns["heat"])]
    window = Sample({"heat": np.round(before.columns["heat"])}, before.blocks + 10)
    faults = look_for_faults(know(bins, before, before.profile(bins)), window)
    assert {fault.kind for fault in faults} <= {"unlike"}


def test_a_category_is_told_without_what_a_page_could_run() -> None:
    generator = np.random.default_rng(0)
    table = rows(generator)
    shop = np.where(table.columns["shop"] == "f", "<b>f", table.columns["shop"]).astype(object)
    inside = table.blocks >= DAYS - WEEK
    before = Sample({"shop": shop[~inside]}, table.blocks[~inside])
    bins = [text_bins("shop", before.columns["shop"])]
    kept = inside & (shop != "<b>f")
    window = Sample({"shop": shop[kept]}, table.blocks[kept])
    (fault,) = look_for_faults(know(bins, before, before.profile(bins)), window)
    assert fault.kind == "vanished"
    assert "<" not in str(fault)


@pytest.mark.parametrize("column", ["month", "flag"])
def test_what_grows_by_the_calendar_has_no_bound(column: str) -> None:
    """A month beyond all before; a flag that was never set is no bound either."""
    days = np.repeat(np.arange(DAYS), ROWS)
    values = {"month": days // 20 + 1.0, "flag": np.zeros(len(days))}[column]
    later = {"month": np.full(WEEK * ROWS, 4.0), "flag": np.arange(WEEK * ROWS) % 30 == 0}[column]
    before = Sample({column: values}, days)
    window = Sample({column: later.astype(float)}, np.repeat(np.arange(DAYS, DAYS + WEEK), ROWS))
    bins = [numeric_bins(column, values)]
    faults = look_for_faults(know(bins, before, before.profile(bins)), window)
    assert "beyond" not in {fault.kind for fault in faults}
