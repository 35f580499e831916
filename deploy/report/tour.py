"""A throw-away copy of the product at work, and pictures of its pages.

Rows that the model has never seen are asked as if they came in the last days, outcomes are told,
checks run, and every page that exists is looked at.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
from sqlalchemy import Engine

from client import Client
from contracts.bundle import load_bundle
from contracts.database import make_engine
from contracts.migrate import migrate
from contracts.params import Params
from contracts.settings import Settings
from deploy.local import as_environment, free_port, publish, running, wait_until_ready
from deploy.report.chromium import shoot
from deploy.report.passing import DAYS, ask_days, recent_days
from deploy.report.sources import ReportError
from deploy.report.trim import trim

Say = Callable[[str], None]
WIDTH, HEIGHT = 1180, 1560  # pixels: as much of a page as a sheet of paper shows readably
CHECK_SECONDS = 300
# In the order in which somebody new would look at them; what is not there is left out.
PAGES = {
    "overview": "/",
    "try": "/try",
    "predictions": "/predictions",
    "outcomes": "/outcomes",
    "monitoring": "/monitoring",
    "check": "/reports/{check}",
    "models": "/models",
    "docs": "/docs",
}


@dataclass(frozen=True)
class Shot:
    """A picture of a page: its path there, its name here, its file beside the report."""

    path: str
    name: str
    file: str


@dataclass(frozen=True)
class Tour:
    """What was done, and what was seen.

    Attributes:
        days: over which the questions were spread.
        checks: what each check decided, in a sentence.
    """

    rows: int
    outcomes: int
    days: int
    checks: tuple[str, ...]
    shots: tuple[Shot, ...]


def take_tour(root: Path, home: Path, pictures: Path, params: Params, say: Say) -> Tour:
    """Start a copy in `home`, use it, picture its pages.

    Args:
        pictures: a directory for them, emptied.

    Raises:
        StackError: the copy did not start.
        ReportError: a check failed, or the browser did.
    """
    settings = _settings(root, home)
    engine = make_engine(settings.database_url)
    try:
        migrate(engine)
        publish(engine, settings, datetime.now(UTC))
        with running(settings, "service") as processes:
            wait_until_ready(settings, processes)
            return _use(engine, settings, root, pictures, params, say)
    finally:
        engine.dispose()


def _use(
    engine: Engine, settings: Settings, root: Path, pictures: Path, params: Params, say: Say
) -> Tour:
    now = datetime.now(UTC)
    address = f"http://{settings.host}:{settings.port}"
    schema = load_bundle(root / "build" / "bundle").schema
    days = recent_days(root, params, schema, now)
    say(f"asking {sum(len(day.rows) for day in days):,} rows of {len(days)} days ...")
    with Client(address) as client:
        rows, outcomes = ask_days(client, days, now)
    checks = []
    for until in (now - timedelta(days=params.monitoring.window_days), None):
        say("checking ..." if until is None else "checking an earlier window ...")
        checks.append(_check(settings, until))
    shots = tuple(_picture(address, pictures, say))
    return Tour(rows, outcomes, DAYS, tuple(checks), shots)


def _settings(root: Path, home: Path) -> Settings:
    """Everything of its own; open, for it is on the loopback and lives for a minute."""
    return Settings(
        _env_file=None,
        database_url=f"sqlite:///{home}/perennial.db",
        bundles_dir=home / "bundles",
        reports_dir=home / "reports",
        work_dir=home / "retrains",
        spool_dir=home / "spool",
        metrics_dir=home / "metrics",
        project_dir=root,
        params_file=root / "params.yaml",
        port=free_port(),
        access="open",
        access_log=False,
        vitals_seconds=1.0,
    )


def _check(settings: Settings, until: datetime | None) -> str:
    """Run a check as a person would; its decision."""
    asked = [f"--until={until.isoformat()}"] if until else []
    done = subprocess.run(
        [sys.executable, "-m", "monitoring.check", *asked],
        env={**os.environ, **as_environment(settings)},
        capture_output=True, text=True, timeout=CHECK_SECONDS,
    )  # fmt: skip
    if done.returncode:
        raise ReportError(f"the check failed: {(done.stderr or done.stdout).strip()[-500:]}")
    return next(line for line in done.stdout.splitlines() if ": " in line)


def _picture(address: str, pictures: Path, say: Say) -> list[Shot]:
    """Every page that answers a browser."""
    found = []
    newest = httpx.get(f"{address}/checks", timeout=30).json()["checks"][0]["check_id"]
    for name, path in PAGES.items():
        here = path.format(check=newest)
        answer = httpx.get(address + here, headers={"Accept": "text/html"}, timeout=30)
        if answer.status_code != 200 or "text/html" not in answer.headers["Content-Type"]:
            continue
        say(f"picturing {path} ...")
        file = pictures / f"{name}.png"
        shoot(address + here, file, WIDTH, HEIGHT)
        trim(file)
        found.append(Shot(path, name, f"{pictures.name}/{file.name}"))
    return found
