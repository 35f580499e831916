"""Profiles: every row is in one bin of every column, and sums of blocks are windows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from contracts.profiles import MISSING, OTHER, UNSEEN, Bins, add, count, numeric_bins, text_bins

NUMBERS = st.lists(st.one_of(st.floats(), st.integers(-5, 5).map(float)), min_size=1, max_size=80)
TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=3), st.just(1.5)), min_size=1, max_size=80)


@given(NUMBERS, NUMBERS)
def test_every_number_has_one_bin(seen: list[float], new: list[float]) -> None:
    bins = numeric_bins("x", seen)
    places = bins.places(np.array([*seen, *new]))
    assert ((places >= 0) & (places < bins.size)).all()
    assert [place == MISSING for place in places] == [np.isnan(v) for v in (*seen, *new)]
    finite = np.isfinite(seen)
    inside = places[: len(seen)][finite]
    assert ((inside > UNSEEN + 1) & (inside < bins.size - 1)).all()  # the reference was all seen


@given(NUMBERS)
def test_larger_numbers_are_in_later_bins(seen: list[float]) -> None:
    bins = numeric_bins("x", seen)
    numbers = np.array(sorted(v for v in (*seen, -np.inf, np.inf) if not np.isnan(v)))
    assert (np.diff(bins.places(numbers)) >= 0).all()


@given(TEXTS, TEXTS)
def test_texts_are_in_their_category_or_unseen_or_missing(seen: list, new: list) -> None:
    bins = text_bins("x", seen)
    known = {v for v in seen if isinstance(v, str)}
    for value, place in zip(new, bins.places(new), strict=True):
        if not isinstance(value, str):
            assert place == MISSING
        elif value not in known:
            assert place == UNSEEN
        else:
            assert bins.categories[place - 2] == value


def test_few_values_have_a_bin_each() -> None:
    bins = numeric_bins("weekday", [0, 1, 2, 3, 4, 5, 6])
    assert len(set(bins.places(np.arange(7)))) == 7


def test_many_values_are_in_bins_of_about_equal_counts() -> None:
    numbers = np.random.default_rng(0).lognormal(size=10_000)
    counts = np.bincount(numeric_bins("x", numbers).places(numbers))
    inside = counts[3:]
    assert inside.min() > 0.8 * inside.mean()
    assert inside.max() < 1.2 * inside.mean()


def test_rare_categories_share_a_bin() -> None:
    values = [f"c{i}" for i in range(500) for _ in range(1 + (i < 50))]
    bins = text_bins("x", values)
    assert bins.categories[-1] == OTHER
    assert {"c0", "c49"} <= set(bins.categories)
    assert bins.places(["c499"]) == bins.places(["never seen"]) == bins.size - 1


def test_a_column_without_values_has_no_place_but_missing_and_beyond() -> None:
    assert count([numeric_bins("x", [np.nan])], {"x": [np.nan, 3.0]}, [0, 0]).counts["x"].sum() == 2
    assert text_bins("y", [None]).size == 2


def test_an_absent_column_is_all_missing() -> None:
    found = count([Bins("x", ordered=False, categories=("a",))], {}, [5, 5, 6])
    assert found.counts["x"].tolist() == [[2, 0, 0], [1, 0, 0]]


def test_a_column_that_some_rows_lack_is_counted_in_its_blocks() -> None:
    bins = [numeric_bins("x", [1.0, 2.0])]
    profile = count(bins, {"x": [1.0, 2.0, 2.0]}, [10, 11, 12])
    one = text_bins("answer", ["yes", "no"])
    found = add(profile, one, np.array(["yes", "yes"], object), [10, 12])

    assert found.counts["answer"].sum(axis=1).tolist() == [1, 0, 1]
    assert found.counts["answer"][:, one.places(["yes"])[0]].tolist() == [1, 0, 1]
    assert found.counts["x"] is profile.counts["x"]
    assert "answer" not in profile.counts
