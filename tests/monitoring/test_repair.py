"""Broken columns are told from a changed mix of rows, and put back as they were."""

import numpy as np
import pandas as pd
import pytest

from contracts.schema import EVENT_TIME, Feature, FeatureSchema, Target
from monitoring.repair import Repaired, repair

NAMES = ("leave", "arrive", "miles", "port", "plane")
SCHEMA = FeatureSchema(
    (*(Feature(name, "numeric", True) for name in NAMES[:3]),
     *(Feature(name, "categorical", True) for name in NAMES[3:])),
    Target("late", (0, 1)),
    EVENT_TIME,
)  # fmt: skip
MILES = {"BOS": 190.0, "MIA": 1090.0, "LAX": 2470.0, "ORD": 730.0}
PLANES = {"BOS": "small", "MIA": "wide", "LAX": "wide", "ORD": "middle"}
PAST, DAYS, ROWS = 21, 28, 100


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    number = DAYS * ROWS
    port = rng.choice(list(MILES), number)
    miles = np.array([MILES[each] for each in port])
    leave = rng.uniform(300, 1000, number)
    usual = np.array([PLANES[each] for each in port])
    plane = np.where(rng.random(number) < 0.9, usual, "leased")
    return pd.DataFrame(
        {"leave": leave, "arrive": leave + 40 + miles / 8 + rng.normal(0, 5, number),
         "miles": miles, "port": port, "plane": plane, "day": np.repeat(np.arange(DAYS), ROWS)}
    )  # fmt: skip


def _repair(rows: pd.DataFrame, window: pd.DataFrame) -> Repaired:
    past = rows[rows.day < PAST]
    sides = (past, past.day.to_numpy()), (window, window.day.to_numpy())
    return repair(SCHEMA, NAMES, *sides, np.random.default_rng(1))


def _last(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows.day >= PAST]


def test_rows_like_those_before_stay_as_they_are(rows: pd.DataFrame) -> None:
    found = _repair(rows, _last(rows))

    assert found.broken == {}
    pd.testing.assert_frame_equal(found.rows, _last(rows))


def test_another_mix_of_rows_is_no_broken_column(rows: pd.DataFrame) -> None:
    window = _last(rows)
    kept = (window.leave > 700) | (np.arange(len(window)) % 8 == 0)

    assert _repair(rows, window[kept]).broken == {}


def test_a_shifted_clock_is_found_and_put_back(rows: pd.DataFrame) -> None:
    window = _last(rows)
    found = _repair(rows, window.assign(leave=window.leave + 120))

    assert list(found.broken) == ["leave"]
    assert (found.rows.leave - window.leave).abs().median() < 30


def test_the_shuffled_one_of_two_that_belong_together_is_named(rows: pd.DataFrame) -> None:
    window, rng = _last(rows), np.random.default_rng(2)
    found = _repair(rows, window.assign(arrive=rng.permutation(window.arrive)))

    assert list(found.broken) == ["arrive"]
    assert (found.rows.arrive - window.arrive).abs().median() < 40


def test_a_break_within_the_window_is_found(rows: pd.DataFrame) -> None:
    window = _last(rows)
    late = window.day >= DAYS - 2
    found = _repair(rows, window.assign(leave=window.leave.mask(late, 2 * window.leave)))

    assert list(found.broken) == ["leave"]


def test_a_stuck_column_gets_what_the_others_foretell(rows: pd.DataFrame) -> None:
    window = _last(rows)
    found = _repair(rows, window.assign(leave=600.0))

    assert list(found.broken) == ["leave"]
    assert np.corrcoef(found.rows.leave, window.leave)[0, 1] > 0.9


def test_missing_values_are_filled_but_not_those_that_always_were(rows: pd.DataFrame) -> None:
    holes = rows.assign(leave=rows.leave.mask(np.arange(len(rows)) % 5 == 0))
    window = _last(holes)
    found = _repair(holes, window.assign(leave=window.leave.mask(window.miles > 1000)))

    assert "leave" in found.broken
    assert found.rows.leave.isna().mean() == pytest.approx(0.2, abs=0.05)


def test_renamed_codes_are_known_again(rows: pd.DataFrame) -> None:
    window = _last(rows)
    found = _repair(rows, window.assign(port=window.port.str.lower()))

    assert list(found.broken) == ["port"]
    assert list(found.rows.port) == list(window.port)


def test_two_codes_that_were_mixed_up_are_known_again(rows: pd.DataFrame) -> None:
    window = _last(rows)
    mixed = window.port.replace({"MIA": "BOS", "BOS": "MIA"})
    found = _repair(rows, window.assign(port=mixed))

    assert list(found.broken) == ["port"]
    assert list(found.rows.port) == list(window.port)


def test_codes_that_are_missing_are_drawn_from_those_before(rows: pd.DataFrame) -> None:
    window = _last(rows)
    found = _repair(rows, window.assign(port=None))

    assert list(found.broken) == ["port"]
    assert set(found.rows.port) == set(MILES)


def test_a_column_that_did_not_come_is_missing(rows: pd.DataFrame) -> None:
    found = _repair(rows, _last(rows).drop(columns="leave"))

    assert list(found.broken) == ["leave"]
    assert found.rows.leave.notna().all()


@pytest.mark.parametrize("number", [1, 5])
def test_a_window_of_few_rows_is_not_found_broken(rows: pd.DataFrame, number: int) -> None:
    assert _repair(rows, _last(rows).head(number)).broken == {}


def test_columns_that_have_no_value_before_are_passed_over(rows: pd.DataFrame) -> None:
    rows = rows.assign(miles=np.nan)
    shifted = _last(rows)

    assert _repair(rows, shifted.assign(leave=shifted.leave + 120)).broken.keys() <= {
        "leave",
        "arrive",
    }
