"""The scheduler's run checks and then retrains; its process starts and ends cleanly."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import Engine, select

from contracts.database import make_engine
from contracts.migrate import migrate
from contracts.registry import champion
from contracts.settings import Settings
from contracts.tables import checks, decisions, retrains
from monitoring.alerts import Alerts
from monitoring.jobs import check_and_retrain, recalibrate
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
    engine = make_engine(settings.database_url)
    migrate(engine)
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
    assert time.monotonic() - began < 5
