"""A throw-away copy of the product at work, and pictures of its pages.

Rows that the model has never seen are asked as if they came in the last days, outcomes are told,
checks run, and every page that exists is looked at.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx

from client import Client
from contracts.bundle import load_bundle
from contracts.database import make_engine
from contracts.migrate import migrate
from contracts.params import Params
from contracts.settings import Settings
from deploy.local import as_environment, free_port, publish, running, wait_until_ready
from deploy.report.chromium import shoot
from deploy.report.passing import DAYS, ask, recent_hours
from deploy.report.sources import ReportError
from deploy.report.trim import trim

Say = Callable[[str], None]
WIDTH = 1180  # pixels, as on a small screen
CHECK_SECONDS = 900
REASONS_SECONDS = 120
# Name, path, and how much of it is shown; in the order in which somebody new would look at them.
# What is not there is left out.
PAGES = (
    ("overview", "/", 1150),
    ("try", "/try", 1000),
    ("prediction", "/predictions/{prediction}", 1000),
    ("predictions", "/predictions", 820),
    ("outcomes", "/outcomes", 820),
    ("monitoring", "/monitoring", 1150),
    ("check", "/reports/{check}", 1150),
    ("models", "/models", 1000),
    ("docs", "/docs", 640),
)


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
        decided: by the check, in its own words.
    """

    rows: int
    outcomes: int
    days: int
    decided: str
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
    with ExitStack() as at_end:
        engine = make_engine(settings.database_url)
        at_end.callback(engine.dispose)
        migrate(engine)
        publish(engine, settings, datetime.now(UTC))
        log = at_end.enter_context((home / "processes.log").open("a"))
        names = ("service", "monitoring.scheduler")
        processes = at_end.enter_context(running(settings, *names, log=log))
        wait_until_ready(settings, processes)
        return _use(settings, root, pictures, params, say)


def _use(settings: Settings, root: Path, pictures: Path, params: Params, say: Say) -> Tour:
    now = datetime.now(UTC)
    address = f"http://{settings.host}:{settings.port}"
    schema = load_bundle(root / "build" / "bundle").schema
    hours = recent_hours(root, params, schema, now)
    say(f"asking {sum(len(hour.rows) for hour in hours):,} rows of {DAYS} days ...")
    with Client(address) as client:
        rows, outcomes = ask(client, hours, now)
    say("checking, which takes the longest ...")
    decided = _check(settings)
    shots = tuple(_picture(address, pictures, say))
    return Tour(rows, outcomes, DAYS, decided, shots)


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


def _check(settings: Settings) -> str:
    """Run a check as a person would; its decision."""
    done = subprocess.run(
        [sys.executable, "-m", "monitoring.check"],
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
    asked = _newest_prediction(address)
    for name, path, height in PAGES:
        here = path.format(check=newest, prediction=asked)
        answer = httpx.get(address + here, headers={"Accept": "text/html"}, timeout=30)
        if answer.status_code != 200 or "text/html" not in answer.headers["Content-Type"]:
            continue
        say(f"picturing {path} ...")
        file = pictures / f"{name}.png"
        shoot(address + here, file, WIDTH, height)
        trim(file)
        found.append(Shot(path, name, f"{pictures.name}/{file.name}"))
    return found


def _newest_prediction(address: str) -> str:
    """Its id; its reasons are worked out already, for the first ones take seconds."""
    found = httpx.get(f"{address}/predictions", params={"format": "json"}, timeout=30).json()
    newest = str(found["predictions"][0]["prediction_id"])
    httpx.get(f"{address}/try/{newest}/reasons", timeout=REASONS_SECONDS).raise_for_status()
    return newest
