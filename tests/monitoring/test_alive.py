"""A container's health: whether some scheduler has shown life lately."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from contracts.settings import Settings
from monitoring.heartbeat import ALIVE, beat


def ask(settings: Settings, url: str | None = None) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PERENNIAL_DATABASE_URL": url or settings.database_url}
    return subprocess.run(
        [sys.executable, "-m", "monitoring.alive"], env=environment, capture_output=True, text=True
    )


def test_a_scheduler_that_beats_is_alive(settings: Settings, engine: Engine) -> None:
    beat(engine, datetime.now(UTC))

    assert ask(settings).returncode == 0


@pytest.mark.parametrize("beaten", [True, False], ids=["long ago", "never"])
def test_a_scheduler_that_does_not_beat_is_not(
    settings: Settings, engine: Engine, beaten: bool
) -> None:
    if beaten:
        beat(engine, datetime.now(UTC) - ALIVE - timedelta(seconds=1))

    found = ask(settings)

    assert found.returncode == 1
    assert "no scheduler has shown life since" in found.stderr


def test_a_database_without_tables_is_told(settings: Settings) -> None:
    found = ask(settings, "sqlite://")

    assert found.returncode == 1
    assert "the database does not answer" in found.stderr
