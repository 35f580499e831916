"""What a check says of real windows of flights, whole, broken, and of no time at all."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from contracts.monitoring_params import DriftParams
from contracts.schema import EVENT_TIME, VERSION, FeatureSchema
from monitoring.drift_state import Drift
from monitoring.inputs import judge_inputs
from tests.monitoring.conftest import FEBRUARY, World

Change = Callable[[pd.DataFrame], pd.DataFrame]
PARAMS = DriftParams(false_alarm_rate=0.05)


def judge(world: World, flights: pd.DataFrame, params: DriftParams = PARAMS) -> Drift:
    window = flights.rename(columns={"event_time": EVENT_TIME})
    return judge_inputs(world.bundle, window, params, np.random.default_rng(0))


def replace_params(**changes: object) -> DriftParams:
    return PARAMS.model_copy(update=changes)


def answered(world: World, flights: pd.DataFrame) -> pd.DataFrame:
    """The same with the champion's answers."""
    names = world.bundle.schema.answers
    answers = world.bundle.model().answers_of(flights)
    columns = {**dict(zip(names, answers.T, strict=True)), VERSION: world.bundle.version}
    return flights.assign(**columns)


@pytest.fixture
def weeks(world: World, february: pd.DataFrame) -> pd.DataFrame:
    """The first ten days of February, answered."""
    return answered(world, february[february.event_time < FEBRUARY + timedelta(days=10)])


def kilometres(flights: pd.DataFrame) -> pd.DataFrame:
    return flights.assign(distance=flights.distance * 1.609)


def half_gone(flights: pd.DataFrame) -> pd.DataFrame:
    return flights.assign(temp=flights.temp.where(np.arange(len(flights)) % 2 == 0))


def new_code(flights: pd.DataFrame) -> pd.DataFrame:
    return flights.assign(carrier=flights.carrier.where(np.arange(len(flights)) % 10 > 0, "ZZ"))


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (kilometres, "distance"),
        (half_gone, "temp"),
        (new_code, "carrier"),
        (lambda flights: flights.assign(temp=np.nan), "temp"),
        (lambda flights: flights.drop(columns="dewp"), "dewp"),
        (lambda flights: flights.assign(carrier=None), "carrier"),
    ],
    ids=["unit", "missing", "new code", "all missing", "absent", "no text"],
)
def test_a_fault_of_one_column_is_an_alarm_that_names_it(
    world: World, weeks: pd.DataFrame, change: Change, cause: str
) -> None:
    drift = judge(world, change(weeks))
    assert drift.state == "alarm"
    assert drift.causes[0] == cause
    assert drift.reasons[0].startswith(f"{cause}: ")


def test_the_same_week_is_judged_alike(world: World, weeks: pd.DataFrame) -> None:
    assert judge(world, weeks) == judge(world, weeks)


def test_a_column_that_the_model_does_not_know_is_told_and_not_looked_at(
    world: World, weeks: pd.DataFrame
) -> None:
    usual, found = judge(world, weeks), judge(world, weeks.assign(**{"<extra>": "x", "none": None}))

    told = "‹extra›: logged, but the champion does not know it"
    assert found == replace(usual, reasons=(*usual.reasons, told))


@pytest.mark.parametrize("rows", [0, 1, 5], ids=str)
def test_too_few_rows_are_not_enough_data(world: World, weeks: pd.DataFrame, rows: int) -> None:
    drift = judge(world, weeks.head(rows))
    assert drift.state == "not enough data"
    assert drift.causes == ()


def test_a_single_day_without_faults_is_not_enough_data(world: World, weeks: pd.DataFrame) -> None:
    day = weeks[weeks.event_time < FEBRUARY + timedelta(days=1)]
    assert judge(world, day).state == "not enough data"


@pytest.mark.parametrize(
    "kind", ["Int64", "uint16", "float32", "object"], ids=lambda kind: f"as {kind}"
)
def test_the_type_of_a_column_changes_nothing(world: World, weeks: pd.DataFrame, kind: str) -> None:
    assert judge(world, weeks.astype({"sched_dep": kind})) == judge(world, weeks)


def test_only_the_windows_season_is_compared_if_that_is_asked_for(
    world: World, weeks: pd.DataFrame
) -> None:
    near, all_year = (replace_params(reference="same_season", season_days=d) for d in (6, 182))
    summer = weeks.assign(event_time=weeks.event_time + timedelta(days=180))

    assert judge(world, weeks, all_year) == judge(world, weeks)
    assert judge(world, weeks, near).compared != judge(world, weeks).compared
    assert judge(world, summer, near).state == "not enough data"
    new_year = weeks.assign(event_time=weeks.event_time - timedelta(days=40))
    assert judge(world, new_year, near).compared  # December is next to January


def test_rows_without_a_time_are_dealt_one_by_one(world: World, january: pd.DataFrame) -> None:
    schema = world.bundle.schema
    timeless = replace(schema, timestamp=EVENT_TIME)
    reference = answered(world, january.sample(4000, random_state=0).assign(event_time=FEBRUARY))
    half = with_reference(world, timeless, reference.iloc[:2000])
    same, other = reference.iloc[2000:], kilometres(reference.iloc[2000:])
    assert judge(half, same).state == "ok"
    assert judge(half, other).state == "watch"
    assert judge(half, other).causes == ("distance",)


def with_reference(world: World, schema: FeatureSchema, reference: pd.DataFrame) -> World:
    renamed = reference.rename(columns={"event_time": EVENT_TIME})
    files = {
        **world.bundle.files,
        "schema.json": schema.to_json().encode(),
        "reference.parquet": renamed.to_parquet(),
    }
    return replace(world, bundle=replace(world.bundle, files=files))
