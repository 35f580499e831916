"""How much of a relation rows have left, and which stretches of the reference stand beside them."""

import numpy as np
import pytest

from contracts.profiles import numeric_bins, text_bins
from monitoring.pairs import CATEGORIES, GROUPS, Coded, choose_pairs, group_values, what_is_left
from monitoring.runs import FEWEST_RUNS, runs_like

TOGETHER = np.array([[90.0, 10.0], [10.0, 90.0]])


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        (TOGETHER, 1.0),
        (TOGETHER * [[1], [4]], 1.0),  # other shares, the same pairing
        (np.full((2, 2), 50.0), 0.0),
        (TOGETHER[::-1], -1.0),
    ],
    ids=["as ever", "another mix", "paired anyhow", "paired against it"],
)
def test_what_is_left_of_a_relation(rows: np.ndarray, left: float) -> None:
    found = what_is_left(rows, TOGETHER)
    assert float(found.held / found.expected) == pytest.approx(left, abs=0.12)


def test_values_that_the_others_never_had_say_nothing() -> None:
    others = np.pad(TOGETHER, (0, 1))
    rows = np.zeros((3, 3))
    rows[2, 2] = 100
    found = what_is_left(rows, others)
    assert (float(found.held), float(found.expected)) == (0.0, 0.0)


def test_each_column_has_its_closest_partners() -> None:
    generator = np.random.default_rng(0)
    first, alone = generator.integers(0, 5, (2, 4000))
    codes = {"first": first, "second": (first + 1) % 5, "alone": alone}
    rows = Coded(codes, np.repeat(np.arange(40), 100), 40, dict.fromkeys(codes, 5))
    assert choose_pairs(rows) == [("second", "first")]


def test_groups_are_few_whatever_the_column() -> None:
    generator = np.random.default_rng(0)
    numbers = numeric_bins("number", generator.normal(size=1000))
    texts = text_bins("text", generator.integers(0, 60, 2000).astype(str))
    for one, most in ((numbers, GROUPS), (texts, CATEGORIES)):
        groups = group_values(one, np.ones(one.size))
        assert groups[:2].tolist() == [-1, -1]
        assert (groups[2:].min(), groups.max()) == (0, most - 1)


def test_runs_are_as_long_as_a_window_of_neighbours() -> None:
    year = np.arange(60)
    assert (runs_like(year, np.arange(70, 77)).length, len(runs_like(year, np.arange(7)))) == (
        7,
        54,
    )
    assert runs_like(year, np.array([1, 20, 40])).length == 1
    assert runs_like(np.arange(12), np.arange(20, 27)).length == 3  # a quarter, at most
    assert len(runs_like(np.arange(5), np.arange(7))) < FEWEST_RUNS
    with_gap = np.concatenate([np.arange(30), np.arange(200, 230)])
    assert len(runs_like(with_gap, np.arange(7))) == 48


def test_the_highest_of_the_runs_that_share_no_block() -> None:
    runs = runs_like(np.arange(40), np.arange(2))
    shares = np.zeros((len(runs), 1))
    shares[[10, 11, 30], 0] = [0.5, 0.6, 0.2]
    highest = runs.highest_apart(shares)[:, 0]
    assert highest[[11, 12, 30, 0]].tolist() == [0.2, 0.5, 0.6, 0.6]
