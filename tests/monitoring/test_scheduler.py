"""The scheduler's run checks and then retrains; its process starts and ends cleanly."""

import getpass
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import yaml
from sqlalchemy import Engine, select

from contracts.params import ParamsError, load_params
from contracts.registry import champion
from contracts.settings import Settings
from contracts.tables import NEXT_CHECK, SCHEDULER, checks, decisions, leases, retrains
from deploy.local import as_environment
from monitoring import check
from monitoring.alerts import Alerts
from monitoring.check import run_check
from monitoring.jobs import check_and_retrain, recalibrate, retrain_in_turn
from monitoring.policy import Decision, Wish
from monitoring.scheduler import jobs_of
from monitoring.triggers import decline
from tests.migrated import migrated_engine
from tests.monitoring.conftest import World


def _settings(world: World, tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None,
        database_url=str(world.engine.url),
        bundles_dir=world.bundles,
        reports_dir=world.reports,
        work_dir=tmp_path / "work",
        project_dir=tmp_path / "no repository",  # so that the retrain ends at once
    )


def _rows(engine: Engine) -> tuple[int, list[str]]:
    with engine.connect() as connection:
        number = len(connection.execute(select(checks)).all())
        states = connection.execute(select(retrains.c.state)).scalars().all()
    return number, list(states)


def test_nothing_served_means_nothing_checked(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, database_url=f"sqlite:///{tmp_path}/empty.db")
    engine = migrated_engine(settings.database_url)
    check_and_retrain(engine, settings, threading.Event(), Alerts([]))

    assert _rows(engine) == (0, [])
    engine.dispose()


def test_quiet_window_is_checked_and_left_alone(world: World, tmp_path: Path) -> None:
    check_and_retrain(world.engine, _settings(world, tmp_path), threading.Event(), Alerts([]))

    assert _rows(world.engine) == (1, [])
    with world.engine.connect() as connection:
        (told,) = connection.execute(select(decisions)).all()
    assert (told.trigger, told.action, told.answer) == ("schedule", "retrain", "no")
    assert "has learned nothing since 2013-01-31" in told.seen
    assert "only 0 new outcomes" in told.reason


def test_answers_follow_the_outcomes_on_schedule(
    world: World, tmp_path: Path, february: pd.DataFrame
) -> None:
    """Flights of February, moved to the last 28 days, all late."""
    shift = datetime.now(UTC) - timedelta(days=28, hours=1) - datetime(2013, 2, 1, tzinfo=UTC)
    world.answer(february.assign(event_time=february.event_time + shift, late=1.0))
    recalibrate(world.engine, _settings(world, tmp_path), threading.Event(), Alerts([]))

    with world.engine.connect() as connection:
        (told,) = connection.execute(select(decisions)).all()
        current = champion(connection)
    assert (told.trigger, told.action, told.answer) == ("recalibration", "recalibrate", "yes")
    assert current is not None
    assert current.version != world.bundle.version


def _with_calendar(settings: Settings, tmp_path: Path, schedule: str | None) -> Settings:
    params = yaml.safe_load(settings.params_file.read_text())
    params["monitoring"]["policy"]["retrain_schedule"] = schedule
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    return settings.model_copy(update={"params_file": tmp_path / "params.yaml"})


def test_the_calendar_asks_the_governor_once(world: World, tmp_path: Path) -> None:
    settings = _with_calendar(_settings(world, tmp_path), tmp_path, "0 3 * * 1")
    for _ in range(2):  # schedulers that fire together
        retrain_in_turn(world.engine, settings, threading.Event(), Alerts([]))

    assert _rows(world.engine) == (1, [])
    with world.engine.connect() as connection:
        (told,) = connection.execute(select(decisions)).all()
    assert (told.trigger, told.action, told.answer) == ("schedule", "retrain", "no")
    assert told.seen == "the calendar asks for it (policy.retrain_schedule: '0 3 * * 1')"
    assert "only 0 new outcomes" in told.reason


def test_no_calendar_asks_for_nothing(world: World, tmp_path: Path) -> None:
    settings = _with_calendar(_settings(world, tmp_path), tmp_path, None)
    retrain_in_turn(world.engine, settings, threading.Event(), Alerts([]))

    assert _rows(world.engine) == (0, [])


@pytest.mark.parametrize("schedule", ["weekly", "0 3 * *", "0 3 * * 1 2013"])
def test_a_calendar_of_other_than_five_fields_is_refused(
    world: World, tmp_path: Path, schedule: str
) -> None:
    settings = _with_calendar(_settings(world, tmp_path), tmp_path, schedule)
    with pytest.raises(ParamsError, match="retrain_schedule"):
        load_params(settings.params_file)


def test_calendar_has_a_job_only_where_one_is_given(world: World, tmp_path: Path) -> None:
    for schedule, has_job in (("0 3 * * 1", True), (None, False)):
        settings = _with_calendar(_settings(world, tmp_path), tmp_path, schedule)
        names = jobs_of(load_params(settings.params_file).monitoring)
        assert ("retrain on schedule" in names) is has_job


def test_probation_is_looked_at_by_its_own_schedule() -> None:
    params = load_params(Path("params.yaml")).monitoring
    assert str(jobs_of(params)["look at who is on probation"][1]).endswith("minute='*/5']")
    without = params.model_copy(update={"probation": None})
    assert "look at who is on probation" not in jobs_of(without)


@pytest.mark.slow
def test_alarm_leads_to_a_retrain(world: World, tmp_path: Path, february: pd.DataFrame) -> None:
    """Flights of February, moved to the last 28 days, all late."""
    shift = datetime.now(UTC) - timedelta(days=28, hours=1) - datetime(2013, 2, 1, tzinfo=UTC)
    world.answer(february.assign(event_time=february.event_time + shift, late=1.0))
    check_and_retrain(world.engine, _settings(world, tmp_path), threading.Event(), Alerts([]))

    assert _rows(world.engine) == (1, ["failed"])


def _start(database: Path) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PERENNIAL_DATABASE_URL": f"sqlite:///{database}"}
    return subprocess.Popen(
        [sys.executable, "-m", "monitoring.scheduler"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_check_by_hand_leaves_a_decision_like_one_on_schedule(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in as_environment(_settings(world, tmp_path)).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "argv", ["check"])
    check.main()

    with world.engine.connect() as connection:
        (told,) = connection.execute(select(decisions)).all()
        (found,) = connection.execute(select(checks)).all()
    assert told.trigger_id == found.check_id
    assert (told.trigger, told.action, told.answer) == ("schedule", "retrain", "no")
    assert told.actor == f"{getpass.getuser()} at {platform.node()}"
    assert "only 0 new outcomes" in told.reason


def test_check_by_hand_that_would_retrain_says_why_it_does_not(world: World) -> None:
    wish = Wish("performance", "log-loss is above expectation")
    decision = Decision("retrain", wish.seen, alarm=True, wish=wish)
    now = datetime.now(UTC)
    monitoring = load_params(Path("params.yaml")).monitoring
    found = run_check(world.engine, world.bundles, world.reports, monitoring, now)
    decline(world.engine, replace(found, decision=decision), now, by="somebody")

    with world.engine.connect() as connection:
        (told,) = connection.execute(select(decisions)).all()
    assert (told.trigger, told.answer) == ("performance", "no")
    assert "a check by hand starts nothing" in told.reason


@pytest.mark.slow
def test_process_refuses_an_unmigrated_database_in_one_line(tmp_path: Path) -> None:
    with _start(tmp_path / "new.db") as process:
        _, errors = process.communicate(timeout=30)

    assert process.returncode == 1
    assert errors.strip().splitlines()[-1].endswith("run `python -m contracts.migrate`")


@pytest.mark.parametrize(
    "how", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_process_ends_when_it_is_asked_to(world: World, how: signal.Signals) -> None:
    with _start(Path(str(world.engine.url.database))) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "checks run at" in line:
                break
        began = time.monotonic()
        process.send_signal(how)
        process.communicate(timeout=30)

    assert process.returncode == 0
    with world.engine.connect() as connection:
        until = {row.name: row.expires_at for row in connection.execute(select(leases))}
    assert until[SCHEDULER] > datetime.now(UTC)
    assert until[NEXT_CHECK] > datetime.now(UTC)
    assert time.monotonic() - began < 5
