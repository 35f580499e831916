"""A check estimates what its window's answers are worth; a later one says what came of it."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import select

from contracts.monitoring_params import Monitoring
from contracts.params import Params
from contracts.schema import VERSION
from contracts.tables import checks
from monitoring.check import run_check
from monitoring.inputs import judge_inputs
from monitoring.outlook import look_ahead, settle
from monitoring.windows import read_rows
from tests.monitoring.conftest import FEBRUARY, World

WEEK = FEBRUARY + timedelta(days=7)


@pytest.fixture
def monitoring(params: Params) -> Monitoring:
    """Without reports, which take long."""
    policy = params.monitoring.policy.model_copy(update={"min_rows": 100_000})
    return params.monitoring.model_copy(update={"policy": policy})


def recorded(world: World) -> list[dict[str, Any]]:
    with world.engine.connect() as connection:
        found = connection.execute(select(checks.c.findings).order_by(checks.c.checked_at))
        return [json.loads(text) for text in found.scalars()]


def check(world: World, monitoring: Monitoring, days: float) -> str:
    now = FEBRUARY + timedelta(days=days)
    return run_check(world.engine, world.bundles, world.reports, monitoring, now).decision.reason


def test_an_estimate_is_recorded_with_what_it_cannot_see(
    world: World, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    world.answer(february, with_outcomes=False)
    reason = check(world, monitoring, 7)

    (found,) = recorded(world)
    assert set(found["estimated"]["figures"]) == {"loss", "brier", "roc_auc"}
    assert found["estimated"]["rows"] == (february.event_time < WEEK).sum()
    assert 0.5 < found["estimated"]["figures"]["roc_auc"]["value"] < 0.8
    assert found["realised"] is None
    assert "estimated loss 0." in reason
    assert "not detectable until outcomes arrive; none of any row has come" in reason


def test_realised_figures_stand_beside_it_once_outcomes_are_mature(
    world: World, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    world.answer(february)
    for days in (7, 7.5, 8.5):
        check(world, monitoring, days)
    first, second, third = recorded(world)

    assert first["realised"]["rows"] == first["estimated"]["rows"] - _missing(february)
    assert first["realised"]["figures"].keys() == first["estimated"]["figures"].keys()
    assert first["realised"]["within"].keys() == first["estimated"]["figures"].keys()
    assert second["realised"] is not None
    assert third["realised"] is None  # too young


def _missing(flights: pd.DataFrame) -> int:
    return int(flights[flights.event_time < WEEK].late.isna().sum())


def test_what_is_settled_stays_and_what_has_no_outcomes_stays_open(
    world: World, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    world.answer(february, with_outcomes=False)
    check(world, monitoring, 7)
    later = FEBRUARY + timedelta(days=9)
    assert settle(world.engine, world.bundles, monitoring, later) == 0

    world.answer(february)
    assert settle(world.engine, world.bundles, monitoring, later) == 1
    before = recorded(world)
    assert settle(world.engine, world.bundles, monitoring, later) == 0
    assert recorded(world) == before


def test_a_bundle_of_an_older_format_is_not_estimated_and_says_why(
    world: World, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    world.answer(february)
    old = replace(world.bundle, manifest={**world.bundle.manifest, "format": 2})
    with world.engine.connect() as connection:
        window = read_rows(connection, old.schema, FEBRUARY, WEEK, 1000)
        found = look_ahead(connection, old, window, monitoring, WEEK)

    assert found.figures == {}
    assert "train again" in found.reasons[0]


def test_answers_that_changed_are_named_though_the_inputs_did_not(
    world: World, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    world.answer(february)
    with world.engine.connect() as connection:
        window = read_rows(connection, world.bundle.schema, FEBRUARY, WEEK, 100_000)
    answers = world.bundle.schema.answers
    surer = window.assign(**{answers[1]: window[answers[1]] ** 0.5})
    params = monitoring.drift.model_copy(update={"false_alarm_rate": 0.05})
    as_is, changed, of_another = (
        judge_inputs(world.bundle, frame, params, np.random.default_rng(0))
        for frame in (window, surer, surer.assign(**{VERSION: "another"}))
    )

    assert "(answer)" not in as_is.causes
    assert changed.causes[0] == "(answer)"
    assert "(answer)" not in of_another.causes
