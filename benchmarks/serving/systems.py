"""The systems that bench-serve compares, each a process of its own under the same uvicorn."""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select

from contracts.database import make_engine
from contracts.migrate import migrate
from contracts.settings import Settings
from contracts.tables import predictions
from deploy.local import BUNDLE, as_environment, free_port, publish
from service.access.caller import Scope
from service.access.key_store import NewKey, create_key

Row = Mapping[str, object]

START_SECONDS = 60
UVICORN = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]


class DidNotStartError(RuntimeError):
    """A system under test gave no answer."""


@dataclass(frozen=True)
class System:
    """One that answers POST of `body`, a row, at `url`."""

    url: str
    body: bytes
    pid: int
    log: Path
    database_url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def post(self) -> int:
        """The status of one request.

        Raises:
            OSError: nothing listens yet.
        """
        host, _, path = self.url.removeprefix("http://").partition("/")
        connection = http.client.HTTPConnection(host, timeout=10)
        try:
            headers = {"Content-Type": "application/json", **self.headers}
            connection.request("POST", f"/{path}", self.body, headers)
            return connection.getresponse().status
        finally:
            connection.close()


@contextlib.contextmanager
def process(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[int]:
    """A Python process and its pid; its output goes to `log`, as a container's does."""
    inherited = {**os.environ}
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)  # as installed: compiled once
    with log.open("w") as output:
        started = subprocess.Popen(
            [sys.executable, *command],
            env={**inherited, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield started.pid
    finally:
        started.terminate()
        started.wait()


@contextlib.contextmanager
def echo(directory: Path, row: Row) -> Iterator[System]:
    """The least that an ASGI application can do."""
    port = free_port()
    command = ["-m", "uvicorn", "benchmarks.serving.echo:app", "--port", str(port), *UVICORN]
    log = directory / "echo.log"
    with process(command, {}, log) as pid:
        yield System(f"http://127.0.0.1:{port}/", service_body(row), pid, log)


@contextlib.contextmanager
def tutorial(directory: Path, row: Row) -> Iterator[System]:
    """What teams would write themselves, with its own SQLite file."""
    port = free_port()
    command = ["-m", "uvicorn", "benchmarks.serving.tutorial:make_app", "--factory",
               "--port", str(port), *UVICORN]  # fmt: skip
    environment = {"TUTORIAL_BUNDLE": str(BUNDLE),
                   "TUTORIAL_DATABASE": f"sqlite:///{directory}/tutorial.db"}  # fmt: skip
    log = directory / "tutorial.log"
    with process(command, environment, log) as pid:
        yield System(f"http://127.0.0.1:{port}/predict", json.dumps(row).encode(), pid, log)


def prepare(
    directory: Path, database_url: str | None = None, scopes: Sequence[Scope] = ("predict",)
) -> tuple[Settings, str]:
    """Settings of a service of its own with the trained bundle as champion, and a key to it."""
    directory.mkdir(parents=True, exist_ok=True)
    settings = Settings(
        _env_file=None,
        database_url=database_url or f"sqlite:///{directory}/perennial.db",
        bundles_dir=directory / "bundles",
        reports_dir=directory / "reports",
        spool_dir=directory / "spool",
        metrics_dir=directory / "metrics",
        port=free_port(),
    )
    engine = make_engine(settings.database_url)
    migrate(engine)
    now = datetime.now(UTC)
    publish(engine, settings, now)
    key = create_key(engine, NewKey("bench", list(scopes)), actor="bench", now=now)
    engine.dispose()
    return settings, key


@contextlib.contextmanager
def service(
    directory: Path, row: Row, *, database_url: str | None = None, module: str = "service"
) -> Iterator[System]:
    """The real service's /predict, started as `python -m MODULE`."""
    settings, key = prepare(directory, database_url)
    url, log = f"http://127.0.0.1:{settings.port}/predict", directory / "log"
    with process(["-m", module], as_environment(settings), log) as pid:
        headers = {"Authorization": f"Bearer {key}"}
        yield System(url, service_body(row), pid, log, settings.database_url, headers)


def service_body(row: Row) -> bytes:
    return json.dumps({"features": row}).encode()


def wait_for(system: System, pause_seconds: float = 0.05) -> None:
    """Return once the system has answered 200.

    Raises:
        DidNotStartError: it never did; the message has what it wrote.
    """
    end = time.monotonic() + START_SECONDS
    status: int | None = None
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            status = system.post()
            if status == 200:
                return
        time.sleep(pause_seconds)
    raise DidNotStartError(f"{system.url}: {status}; {system.log.read_text()[-2000:]}")


def count_rows(system: System) -> int:
    """Predictions in the system's ledger."""
    engine = make_engine(system.database_url)
    with engine.connect() as connection:
        rows: int = connection.execute(select(func.count()).select_from(predictions)).scalar_one()
    engine.dispose()
    return rows
