"""The default source: what is asked is known before departure, what is answered is not."""

import numpy as np
import pandas as pd
import pytest

from contracts.params import Params
from pipeline import flights

# What only exists once a flight has left, landed or been cancelled.
AFTER_DEPARTURE = ["dep_time", "dep_delay", "arr_time", "arr_delay", "air_time", "tailnum"]


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    directory = flights._directory()
    weather = pd.read_csv(directory / "weather.csv")[["origin", "time_hour", *flights.WEATHER]]
    return pd.read_csv(directory / "flights.csv.zip", nrows=5000), weather


def test_no_feature_depends_on_what_happens_after_departure(
    tables: tuple[pd.DataFrame, pd.DataFrame], params: Params
) -> None:
    known, weather = tables
    random = np.random.default_rng(0)
    shuffled = known.assign(
        **{name: random.permutation(known[name].to_numpy()) for name in AFTER_DEPARTURE}
    )

    before, after = (flights.derive(table, weather) for table in (known, shuffled))

    names = list(params.features)
    pd.testing.assert_frame_equal(before[names], after[names])
    assert not before.late.equals(after.late)  # the shuffle did reach the target


def test_year_is_complete_and_ordered(year: pd.DataFrame) -> None:
    assert len(year) == 336_776
    assert year.event_time.is_monotonic_increasing
    assert str(year.event_time.dt.tz) == "UTC"


def test_target_is_late_by_fifteen_minutes(tables: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    known, weather = tables
    three = known.head(3).assign(arr_delay=[14.0, 15.0, np.nan], time_hour=known.time_hour[0])

    assert flights.derive(three, weather).late.tolist()[:2] == [0.0, 1.0]
    assert flights.derive(three, weather).late.isna().tolist() == [False, False, True]


def test_cancelled_flights_are_questions_without_outcome(year: pd.DataFrame) -> None:
    assert year.late.isna().sum() == 9_430  # 8,255 cancelled, the rest diverted
    assert year[year.late.isna()].known_at.isna().all()


def test_outcomes_are_known_after_the_scheduled_hour(year: pd.DataFrame) -> None:
    answered = year[year.late.notna()]

    assert (answered.known_at > answered.event_time).all()
