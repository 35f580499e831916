"""Services to look at, each with an empty, a typical or a large database, open or closed."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from sqlalchemy import Engine, select

from benchmarks.lived_in import live
from contracts.database import make_engine
from contracts.migrate import migrate
from contracts.registry import register
from contracts.schema import EVENT_TIME
from contracts.settings import Settings
from contracts.tables import checks, predictions, scorings
from service.access.caller import Scope
from service.access.key_store import ALL_SCOPES
from tests.conftest import make_key
from tests.service.servers import START_SECONDS, environment, service_process, wait_for
from tests.task_bundles import make_rows, make_schema, save_table_bundle

ROWS = {"empty": 0, "typical": 20_000, "large": 1_000_000}
ROLES: Mapping[str, tuple[Scope, ...]] = {
    "nobody": (),  # on a service that is open
    "reader": ("read",),
    "asker": ("predict", "read"),
    "owner": ALL_SCOPES,
}


@dataclass(frozen=True)
class Place:
    """What a service would be started on.

    Attributes:
        keys: of each role that has one.
        known: what the braces of tests/pages/listed.py stand for; "" = there is none.
    """

    settings: Settings
    keys: Mapping[str, str]
    known: Mapping[str, str]

    def fill(self, path: str) -> str | None:
        """The path of a page; None = this place has nothing for it."""
        named = [name for name in self.known if f"{{{name}}}" in path]
        return None if any(not self.known[name] for name in named) else path.format(**self.known)


def make_place(directory: Path, rows: int, url: str | None = None) -> Place:
    """A database with so many predictions, a champion that made them, and keys."""
    settings = Settings(
        _env_file=None,
        database_url=url or f"sqlite:///{directory}/perennial.db",
        bundles_dir=directory / "bundles",
        reports_dir=directory / "reports",
        work_dir=directory / "retrains",
        spool_dir=directory / "spool",
        metrics_dir=directory / "metrics",
        access="closed",
    )
    engine = make_engine(settings.database_url)
    migrate(engine)
    version = ""
    if rows:
        made = _bundle(directory / "made")
        version = live(engine, settings.bundles_dir, made, rows, datetime.now(UTC))
    keys = {role: make_key(engine, *scopes) for role, scopes in ROLES.items() if scopes}
    place = Place(settings, keys, {"version": version, **_newest(engine)})
    engine.dispose()
    return place


@contextmanager
def served(place: Place, log: Path, access: str = "closed") -> Iterator[str]:
    """Where `python -m service` answers meanwhile."""
    settings = place.settings.model_copy(update={"access": access})
    with service_process(settings, log) as (_, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def scheduled(place: Place, log: Path) -> Iterator[None]:
    """`python -m monitoring.scheduler` runs meanwhile."""
    command = [sys.executable, "-m", "monitoring.scheduler"]
    with log.open("w") as output:
        process = subprocess.Popen(command, stderr=output, env=environment(place.settings))
    try:
        wait_for(
            lambda: "checks run at" in log.read_text() or process.poll() is not None, START_SECONDS
        )
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)


def add_version(place: Place, directory: Path, seed: int) -> str:
    """Register one more version that nobody has promoted."""
    engine = make_engine(place.settings.database_url)
    made, now = _bundle(directory, seed), datetime.now(UTC)
    version = register(engine, place.settings.bundles_dir, made, now, {"by": "a test"})
    engine.dispose()
    return version


def _bundle(directory: Path, seed: int = 0) -> Path:
    """Names of features and categories that no page should stumble over."""
    schema = make_schema("binary")
    rows = make_rows(schema, seed)
    times = pd.date_range("2013-01-01", periods=len(rows), freq="7h", tz="UTC").as_unit("us")
    save_table_bundle(directory, schema, rows.assign(**{EVENT_TIME: times}))
    return directory


def _newest(engine: Engine) -> dict[str, str]:
    names = {"check": (checks.c.check_id, checks.c.checked_at),
             "prediction": (predictions.c.prediction_id, predictions.c.prediction_id),
             "scoring": (scorings.c.scoring_id, scorings.c.asked_at)}  # fmt: skip
    with engine.connect() as connection:
        return {
            name: connection.execute(select(column).order_by(by.desc()).limit(1)).scalar() or ""
            for name, (column, by) in names.items()
        }
