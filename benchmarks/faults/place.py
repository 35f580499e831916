"""A place of its own for each fault: database, bundles, spool, and the service's process."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from benchmarks.faults.oracle import Oracle
from contracts.database import make_engine, write_transaction
from contracts.migrate import migrate
from contracts.registry import promote, register
from contracts.settings import Settings
from deploy.local import as_environment, free_port, fresh_key, is_ready

START_SECONDS = 60
STOP_SECONDS = 20


class ServiceDownError(RuntimeError):
    """The service under test did not start, or did not end."""


@dataclass(frozen=True)
class Place:
    """Where one fault is injected.

    Attributes:
        engine: the suite's own way to the database, past every proxy.
        settings: what the service runs with.
        versions: the registered versions; the first is champion.
        key: of the API.
    """

    directory: Path
    engine: Engine
    settings: Settings
    versions: tuple[str, str]
    oracle: Oracle
    key: str


def make_place(
    directory: Path, bundles: tuple[Path, Path], url: str | None = None, **settings: Any
) -> Place:
    """A migrated, empty database with two registered versions.

    Args:
        url: of a database that exists; None = a new SQLite file.
        settings: what differs from the usual ones.
    """
    usual: dict[str, Any] = {
        "database_url": url or f"sqlite:///{directory}/perennial.db",
        "bundles_dir": directory / "bundles",
        "reports_dir": directory / "reports",
        "spool_dir": directory / "spool",
        "metrics_dir": directory / "metrics",
        "access_log": False,
        "champion_poll_seconds": 0.05,
        "port": free_port(),
    }
    chosen = Settings(**{"_env_file": None, **usual, **settings})
    engine = make_engine(url or chosen.database_url)
    migrate(engine)
    now = datetime.now(UTC)
    first, second = (register(engine, chosen.bundles_dir, b, now, {}) for b in bundles)
    with write_transaction(engine) as connection:
        promote(connection, first, actor="faults", reason="the first", now=now)
    key = fresh_key(engine, "faults", now)
    return Place(directory, engine, chosen, (first, second), Oracle(chosen.bundles_dir), key)


@dataclass
class Service:
    """`python -m service` of a place; it may be started and ended many times.

    Args:
        module: what to run in its stead, with arguments.
        prefix: a command to run it under, such as strace.
    """

    place: Place
    module: tuple[str, ...] = ("service",)
    prefix: tuple[str, ...] = ()
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    @property
    def log(self) -> Path:
        return self.place.directory / "service.log"

    def start(self) -> None:
        environment = {**os.environ, **as_environment(self.place.settings)}
        command = [*self.prefix, sys.executable, "-m", *self.module]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, stderr=log, stdout=log, start_new_session=True
            )

    def wait_until_ready(self) -> None:
        """Return once it answers.

        Raises:
            ServiceDownError: it ended, or START_SECONDS passed.
        """
        end = time.monotonic() + START_SECONDS
        while not is_ready(self.place.settings):
            ended = self.process is None or self.process.poll() is not None
            if ended or time.monotonic() > end:
                raise ServiceDownError(f"the service is not ready; its log is {self.log}")
            time.sleep(0.02)

    def kill(self) -> None:
        """kill -9 of every process of its group."""
        if self.process is not None:
            if self.process.poll() is None:
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def terminate(self) -> None:
        """SIGTERM, and wait for its end.

        Raises:
            ServiceDownError: it did not end.
        """
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
                raise ServiceDownError("the service did not end after SIGTERM") from None


def get(place: Place, path: str) -> tuple[int, bytes]:
    """Status and body of a GET; 0 where nobody answers."""
    settings = place.settings
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=5)
    try:
        connection.request("GET", path, headers={"X-API-Key": place.key})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def ledger_health(place: Place) -> dict[str, Any]:
    """What /health/ready says of the ledger; empty where nobody answers."""
    _, body = get(place, "/health/ready")
    ledger: dict[str, Any] = json.loads(body or b"{}").get("ledger") or {}
    return ledger
