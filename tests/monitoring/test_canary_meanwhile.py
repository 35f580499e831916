"""What others do while a canary runs stands, and what would disturb it waits."""

import json
import sys
import threading
from datetime import timedelta
from pathlib import Path
from types import FrameType

import pandas as pd
import pytest
from sqlalchemy import select

from contracts.audit import record
from contracts.database import write_transaction
from contracts.monitoring_params import Monitoring
from contracts.params import Params
from contracts.registry import promote, register, roll_back
from contracts.settings import Settings
from contracts.tables import retrains
from contracts.traffic import RefusedRuleError, Rule
from contracts.traffic_rules import change_traffic, check_traffic
from monitoring.attempts import RefusedError
from monitoring.attempts import begin as begin_attempt
from monitoring.canary import run_canary
from monitoring.erasure import BEGAN, wanted_retrain
from monitoring.history import read_history
from monitoring.leases import utc_now
from monitoring.recalibrate import run_recalibration
from monitoring.triggers import of_person
from tests.monitoring.canaries import (
    TRIED,
    alike,
    begin,
    decided,
    live,
    monitoring,
    registry,
    retrain_row,
)
from tests.monitoring.conftest import FEBRUARY, World
from tests.monitoring.test_probation import clueless

__all__ = ["alike", "clueless", "monitoring"]


def _divide(world: World, rule: Rule) -> None:
    with world.engine.connect() as connection:
        checked = check_traffic(connection, world.bundles, rule)
    with write_transaction(world.engine) as connection:
        change_traffic(connection, checked, actor="she", reason="mine now", now=FEBRUARY)


@pytest.mark.parametrize(
    ("act", "state"),
    [("stops", "superseded"), ("widens", "superseded"), ("promotes another", "superseded"),
     ("rolls back", "superseded"), ("promotes it", "promoted")],
)  # fmt: skip
def test_what_a_person_does_meanwhile_stands(
    world: World, alike: Path, clueless: Path, monitoring: Monitoring, act: str, state: str
) -> None:
    another = register(world.engine, world.bundles, clueless, FEBRUARY, {})
    with write_transaction(world.engine) as connection:  # somebody to roll back to
        promote(connection, another, actor="test", reason="", now=FEBRUARY)
        promote(connection, world.bundle.version, actor="test", reason="", now=FEBRUARY)
    version = begin(world, alike, FEBRUARY, TRIED)
    if act in ("stops", "widens"):
        _divide(world, Rule() if act == "stops" else Rule("canary", version, 0.9))
    else:
        with write_transaction(world.engine) as connection:
            if act == "rolls back":
                roll_back(connection, actor="she", reason="mine now", now=FEBRUARY)
            else:
                chosen = another if act == "promotes another" else version
                promote(connection, chosen, actor="she", reason="mine now", now=FEBRUARY)
    after = registry(world)
    found = run_canary(world.engine, world.bundles, monitoring, FEBRUARY + timedelta(hours=200))

    assert registry(world) == after
    assert retrain_row(world).state == state
    if state == "promoted":
        assert found is None
    else:
        assert found is not None
        assert found.state == "superseded"
        assert "she changed who answers" in found.reason
        assert "the canary is over" in json.loads(retrain_row(world).verdict)["reason"]
        assert decided(world) == [("canary", "promote", "no")]
    with world.engine.connect() as connection:  # nobody can say that it did not help
        assert read_history(connection, FEBRUARY + timedelta(days=20)).fruitless == 0


def _ask_governor(world: World, params: Params) -> None:
    now = FEBRUARY + timedelta(hours=2)
    asked = of_person("a test", now, over_budget=True)
    policy = params.monitoring.policy
    begin_attempt(world.engine, asked, policy, world.bundle.version, now=now, wall=utc_now())


def test_no_retrain_begins_while_one_runs_and_one_may_once_a_person_ended_it(
    world: World, alike: Path, params: Params
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    with pytest.raises(RefusedError, match=f"the canary of version {version} is not decided yet"):
        _ask_governor(world, params)
    _divide(world, Rule())
    _ask_governor(world, params)

    with world.engine.connect() as connection:
        states = connection.execute(select(retrains.c.state).order_by("started_at")).scalars()
        assert list(states) == ["superseded", "started"]


def test_a_retrain_that_an_erasure_asked_for_is_paid_while_it_runs(
    world: World, alike: Path
) -> None:
    with write_transaction(world.engine) as connection:
        record(connection, actor="test", action=BEGAN, subject="x", detail={"retrain": True},
               now=FEBRUARY)  # fmt: skip
        assert wanted_retrain(connection) is not None
    begin(world, alike, FEBRUARY, TRIED)
    with world.engine.connect() as connection:
        assert wanted_retrain(connection) is None


def test_recalibration_waits_for_it(
    world: World, alike: Path, params: Params, february: pd.DataFrame
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    live(world, february.assign(late=1.0), version, 24 * 10)
    asked = params.monitoring.recalibrate
    assert asked is not None
    settings = Settings(_env_file=None, bundles_dir=world.bundles)
    found = run_recalibration(world.engine, settings, asked, FEBRUARY + timedelta(days=10))

    assert not found.changed
    assert "traffic is divided (canary)" in found.reason
    assert registry(world) == (world.bundle.version, "canary", version)


def test_a_recalibration_under_way_does_not_end_one_that_has_just_begun(
    world: World, alike: Path, params: Params, february: pd.DataFrame
) -> None:
    world.answer(february.assign(late=1.0))
    asked, begun = params.monitoring.recalibrate, []
    assert asked is not None
    settings = Settings(_env_file=None, bundles_dir=world.bundles)

    def watch(frame: FrameType, happened: str, _argument: object) -> None:
        if happened == "return" and frame.f_code.co_name == "propose" and not begun:
            begun.append(begin(world, alike, FEBRUARY, TRIED))

    sys.setprofile(watch)
    try:
        found = run_recalibration(world.engine, settings, asked, FEBRUARY + timedelta(days=27))
    finally:
        sys.setprofile(None)

    assert not found.changed
    assert "traffic is divided (canary)" in found.reason
    assert registry(world) == (world.bundle.version, "canary", begun[0])


def test_of_two_schedulers_one_acts(
    world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    live(world, february, version, 30)
    ready, found = threading.Barrier(2), []

    def look() -> None:
        ready.wait()
        now = FEBRUARY + timedelta(hours=30)
        found.append(run_canary(world.engine, world.bundles, monitoring, now))

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [each.state for each in found if each].count("promoted") == 1
    assert decided(world) == [("canary", "promote", "yes")]
    assert registry(world)[0] == version


def test_a_rule_of_a_person_keeps_canaries_out(world: World, alike: Path, clueless: Path) -> None:
    _divide(world, Rule("ab", register(world.engine, world.bundles, clueless, FEBRUARY, {}), 0.5))
    with pytest.raises(RefusedRuleError, match="traffic is divided already, ab .* by she"):
        begin(world, alike, FEBRUARY, TRIED)
    assert registry(world)[1] == "ab"


def test_an_entity_that_is_no_feature_keeps_canaries_out(world: World, alike: Path) -> None:
    with pytest.raises(RefusedRuleError, match="entity 'customer' is no feature"):
        begin(world, alike, FEBRUARY, TRIED.model_copy(update={"entity": "customer"}))
