"""Killed at any step of a canary, nothing is left half done, and the next run goes on."""

import json
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml
from sqlalchemy import select

from contracts.params import load_params
from contracts.registry import champion
from contracts.tables import decisions, retrains
from contracts.traffic import Rule, current_traffic
from monitoring.canary import run_canary
from monitoring.leases import utc_now
from tests.monitoring.canaries import TRIED, alike, answer, begin, near
from tests.monitoring.conftest import World
from tests.monitoring.test_killed import environment, params_file, project
from tests.monitoring.test_probation import clueless

__all__ = ["alike", "clueless", "environment", "params_file", "project"]
pytestmark = pytest.mark.slow

NOTHING_DONE = [
    ("monitoring.canary_live.look", "return"),
    ("monitoring.canary._look", "return"),
    ("contracts.registry.promote", "return"),  # written, not committed
    ("monitoring.canary_rule.close", "return"),
]


@pytest.fixture
def canary_params(params_file: Path) -> Path:
    """Of the environment; a gate's yes begins a canary."""
    params = yaml.safe_load(params_file.read_text())
    params["monitoring"]["promotion"] = {"mode": "canary", "canary": TRIED.model_dump()}
    params["monitoring"]["recalibrate"] = None
    params_file.write_text(yaml.safe_dump(params, sort_keys=False))
    return params_file


def _killed(environment: dict[str, str], *command: str) -> None:
    run = [sys.executable, "-m", "tests.monitoring.killed", *command]
    done = subprocess.run(run, env=environment, timeout=300, check=False)
    assert done.returncode == -signal.SIGKILL


def _registry(world: World) -> tuple[str, str, str | None]:
    with world.engine.connect() as connection:
        current, traffic = champion(connection), current_traffic(connection)
    assert current is not None
    if traffic is None:
        return current.version, "champion", None
    return current.version, traffic.rule.mode, traffic.rule.version


def _states(world: World) -> list[str]:
    with world.engine.connect() as connection:
        return list(connection.execute(select(retrains.c.state)).scalars())


def _words(world: World) -> list[str]:
    with world.engine.connect() as connection:
        mine = select(decisions.c.answer).where(decisions.c.trigger == "canary")
        return list(connection.execute(mine).scalars())


def _running(world: World, source: Path, february: pd.DataFrame) -> str:
    """A canary whose time is over."""
    start: datetime = utc_now() - timedelta(hours=60)
    version = begin(world, source, start, TRIED)
    moved = near(february, start + timedelta(hours=1))
    answer(world, moved[moved.event_time < utc_now()], Rule("canary", version, TRIED.share))
    return version


@pytest.mark.parametrize(("function", "moment"), NOTHING_DONE)
def test_killed_while_it_decides_decides_at_the_next_run(
    world: World,
    environment: dict[str, str],
    canary_params: Path,
    alike: Path,
    february: pd.DataFrame,
    function: str,
    moment: str,
) -> None:
    version = _running(world, alike, february)
    _killed(environment, function, moment, "canary")
    assert _registry(world) == (world.bundle.version, "canary", version)
    assert (_states(world), _words(world)) == (["canary"], [])

    found = run_canary(
        world.engine, world.bundles, load_params(canary_params).monitoring, utc_now()
    )
    assert found is not None
    assert found.state == "promoted", found.reason
    assert _registry(world) == (version, "champion", None)
    assert (_states(world), _words(world)) == (["promoted"], ["yes"])


@pytest.mark.parametrize(
    ("function", "over"),
    [("contracts.traffic_rules.change_traffic", False), ("monitoring.canary._carry_out", True)],
)
def test_killed_while_it_ends_one_has_ended_it_whole_or_not_at_all(
    world: World,
    environment: dict[str, str],
    canary_params: Path,
    clueless: Path,
    february: pd.DataFrame,
    function: str,
    over: bool,
) -> None:
    version = _running(world, clueless, february)
    _killed(environment, function, "return", "canary")
    rule = ("champion", None) if over else ("canary", version)
    assert _registry(world) == (world.bundle.version, *rule)
    assert _states(world) == ["rejected" if over else "canary"]

    params = load_params(canary_params).monitoring
    found = run_canary(world.engine, world.bundles, params, utc_now())
    assert (found is None) == over
    assert _registry(world) == (world.bundle.version, "champion", None)
    assert (_states(world), _words(world)) == (["rejected"], ["no"])


def test_killed_while_it_begins_has_begun_none(
    world: World, environment: dict[str, str], canary_params: Path
) -> None:
    _killed(environment, "monitoring.canary_rule.begin", "return")

    assert _registry(world) == (world.bundle.version, "champion", None)
    assert _states(world) == ["trained"]  # which the next scheduler buries: test_killed.py


def test_killed_after_it_began_runs_on(
    world: World, environment: dict[str, str], canary_params: Path
) -> None:
    _killed(environment, "monitoring.retrain._conclude", "return")

    assert _states(world) == ["canary"]
    with world.engine.connect() as connection:
        row = connection.execute(select(retrains)).one()
    assert _registry(world) == (world.bundle.version, "canary", row.challenger_version)
    assert "a canary answers 0.4 of the requests" in json.loads(row.verdict)["reason"]
    found = run_canary(
        world.engine, world.bundles, load_params(canary_params).monitoring, utc_now()
    )
    assert found is not None
    assert found.state == "canary"
