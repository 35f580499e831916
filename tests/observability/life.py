"""A running service and scheduler to which everything has happened that dashboards show."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Engine

from client import Client, Outcome
from contracts.bundle import load_bundle, save_bundle
from contracts.database import make_engine, write_transaction
from contracts.migrate import migrate
from contracts.registry import promote, register
from contracts.settings import Settings
from deploy.local import as_environment, free_port, fresh_key, running, wait_until_ready

CHECKED_BEFORE = timedelta(days=9)  # an earlier check, whose outcomes have come


@dataclass(frozen=True)
class Life:
    """What runs.

    Attributes:
        address: host:port of the service.
        key_file: of a key that may do everything.
    """

    settings: Settings
    address: str
    key_file: Path

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """A command of the product, on this life's database."""
        environment = {**os.environ, **as_environment(self.settings)}
        return subprocess.run([sys.executable, "-m", *command], env=environment, text=True,
                              capture_output=True, timeout=300, check=False)  # fmt: skip


@contextmanager
def living(directory: Path, bundle: Path, flights: pd.DataFrame) -> Iterator[Life]:
    """A month of flights that ends now is asked; checks, a failed retrain and a rollback follow.

    Args:
        bundle: the champion's.
        flights: of a month, with outcomes in `late`.
    """
    settings = _settings(directory)
    engine = make_engine(settings.database_url)
    migrate(engine)
    began = datetime.now(UTC) - timedelta(days=30)
    _promote(engine, settings, bundle, began)
    key = fresh_key(engine, "a test", datetime.now(UTC))
    key_file = directory / "key"
    key_file.write_text(key)
    with running(settings, "service", "monitoring.scheduler") as processes:
        wait_until_ready(settings, processes)
        life = Life(settings, f"127.0.0.1:{settings.port}", key_file)
        with Client(f"http://{life.address}", key) as client:
            names = load_bundle(bundle).schema.names
            _send(client, flights, names)
            _happen(life, engine, bundle, directory)
            with _traffic(client, _rows(flights.head(20), names)):
                yield life
    engine.dispose()


def _settings(directory: Path) -> Settings:
    return Settings(
        _env_file=None,
        database_url=f"sqlite:///{directory}/perennial.db",
        bundles_dir=directory / "bundles",
        reports_dir=directory / "reports",
        work_dir=directory / "retrains",
        spool_dir=directory / "spool",
        metrics_dir=directory / "metrics",
        project_dir=directory / "no-repository",  # so that a retrain fails
        port=free_port(),
        access_log=False,
    )


def _promote(engine: Engine, settings: Settings, bundle: Path, now: datetime) -> None:
    version = register(engine, settings.bundles_dir, bundle, now, {"by": "a test"})
    with write_transaction(engine) as connection:
        promote(connection, version, actor="a test", reason="to try", now=now)


def _rows(flights: pd.DataFrame, names: list[str]) -> list[list[Any]]:
    columns = flights[names].astype(object)
    rows: list[list[Any]] = columns.where(columns.notna(), None).to_numpy().tolist()
    return rows


def _send(client: Client, flights: pd.DataFrame, names: list[str]) -> None:
    """Each day's flights in one request, moved so that the newest is of today."""
    known = flights[flights.late.notna()]
    shift = datetime.now(UTC) - timedelta(hours=1) - known.event_time.max()
    for day, rows in known.groupby(known.event_time.dt.floor("D")):
        noon = min(day + timedelta(hours=12) + shift, datetime.now(UTC))
        answers = client.predict(_rows(rows, names), noon.to_pydatetime())
        client.send_outcomes(
            [Outcome(one.prediction_id, int(late), noon.to_pydatetime() + timedelta(minutes=1))
             for one, late in zip(answers, rows.late, strict=True)]
        )  # fmt: skip


def _happen(life: Life, engine: Engine, bundle: Path, directory: Path) -> None:
    """What leaves a trace: a check of the past and one of now, a failed retrain, a rollback."""
    until = (datetime.now(UTC) - CHECKED_BEFORE).isoformat()
    for options in (("--until", until), ()):
        checked = life.run("monitoring.check", *options)
        assert checked.returncode == 0, checked.stdout + checked.stderr
    failed = life.run("monitoring.retrain", "now", "--reason", "a test")
    assert failed.returncode == 1, failed.stdout + failed.stderr
    found = load_bundle(bundle)
    facts = {name: found.manifest[name] for name in ("trained_from", "trained_until")}
    save_bundle(directory / "again", {**found.files, "model_card.md": b"# Again\n"}, facts)
    _promote(engine, life.settings, directory / "again", datetime.now(UTC))
    back = life.run("contracts.registry", "rollback", "--reason", "a test")
    assert back.returncode == 0, back.stdout + back.stderr


@contextmanager
def _traffic(client: Client, rows: list[list[Any]]) -> Iterator[None]:
    """Requests, outcomes and one mistake after the other, meanwhile."""
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.2):
            answers = client.predict(rows)
            client.send_outcomes([Outcome(answers[0].prediction_id, 1)])

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
