"""What the links of a drill share: the running copy, its clock, its client, what it was told."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any, TypeVar

import httpx
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, Table, func, select

from client import Client, ClientError
from contracts.params import Params, load_params
from contracts.registry import champion
from contracts.settings import Settings
from contracts.tables import retrains
from deploy.drill.cuts import Cut
from deploy.drill.flights import Flights, send_days
from deploy.local import as_environment
from monitoring.alerts import Alerts
from monitoring.jobs import check_and_retrain

START = datetime(2013, 2, 1, tzinfo=UTC)  # day 0 of the drill's clock, and end of the training
LONG_BEFORE = START - timedelta(days=60)  # no window reaches so far back
POLL_SECONDS = 0.25
T = TypeVar("T")


class LinkBrokenError(RuntimeError):
    """A link did not do its part; the message says what was seen instead."""


@dataclass
class Stage:
    """The throw-away copy.

    Attributes:
        day: of the drill's clock, at its midnight; whatever takes a `now` gets it.
        answered: ids of every prediction that the service has answered with 200.
        news: titles of alerts that have arrived.
        job: the scheduler's job in a thread, while links look for its traces.
        stop: makes a retrain give up.
        leftover: id of the retrain that was killed.
    """

    settings: Settings
    engine: Engine
    client: Client
    key: str
    flights: Flights
    cut: Cut
    log: IO[str]
    project: Path
    processes: "list[subprocess.Popen[bytes]]"
    news: list[str]
    day: int = 0
    answered: list[str] = field(default_factory=list)
    job: "Future[None] | None" = None
    stop: threading.Event = field(default_factory=threading.Event)
    leftover: str = ""

    @property
    def now(self) -> datetime:
        return START + timedelta(days=self.day)

    @property
    def params(self) -> Params:
        return load_params(self.settings.params_file)

    @property
    def address(self) -> str:
        return f"http://{self.settings.host}:{self.settings.port}"

    def live(self, days: int, becomes: Callable[[int], int]) -> None:
        """Let days pass: questions, answers, outcomes.

        Raises:
            LinkBrokenError: the service did not answer.
        """
        passing = range(self.day, self.day + days)
        try:
            self.answered += send_days(self.client, self.flights, START, passing, becomes)
        except ClientError as error:
            raise LinkBrokenError(f"the service did not answer: {error}") from None
        self.day += days

    def check(self) -> None:
        """What the scheduler does on schedule, on the drill's clock: probation, check, retrain."""
        alerts = Alerts(self.settings.alert_urls.split())
        check_and_retrain(self.engine, self.settings, self.stop, alerts, lambda: self.now)

    def begin_check(self) -> None:
        """The same in a thread."""
        pool = ThreadPoolExecutor(1)
        self.job = pool.submit(self.check)
        pool.shutdown(wait=False)

    def end_check(self) -> None:
        """Wait until it is over; it raises what the job has raised."""
        if self.job is not None:
            self.job.result()
            self.job = None

    def metric(self, name: str) -> float | None:
        """The greatest sample of a metric on /metrics; None = it has none."""
        headers = {"X-API-Key": self.key}
        text = httpx.get(f"{self.address}/metrics", headers=headers, timeout=10).text
        families = text_string_to_metric_families(text)
        found = [one.value for each in families for one in each.samples if one.name == name]
        return max(found, default=None)

    def wait(self, look: Callable[[], T | None], seconds: float, missing: str) -> T:
        """What `look` sees, as soon as it sees something.

        Raises:
            LinkBrokenError: it saw nothing in time, or the job ended without leaving it.
        """
        end = time.monotonic() + seconds
        while True:
            is_over = self.job is not None and self.job.done()
            if (seen := look()) is not None:
                return seen
            if is_over and self.job is not None and (error := self.job.exception()):
                raise LinkBrokenError(f"{missing}: {type(error).__name__}: {error}")
            if is_over or time.monotonic() > end:
                raise LinkBrokenError(missing)
            time.sleep(POLL_SECONDS)

    def champion(self) -> str:
        with self.engine.connect() as connection:
            current = champion(connection)
        assert current is not None  # the drill began with one
        return current.version

    def newest_retrain(self) -> Any:
        """Its row; None = there was none."""
        query = select(retrains).order_by(retrains.c.retrain_id.desc()).limit(1)
        with self.engine.connect() as connection:
            return connection.execute(query).one_or_none()

    def count(self, table: Table) -> int:
        with self.engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(table)).scalar_one()

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        """A process of the product, which ends with the drill."""
        process = start(self.settings, self.log, *command)
        self.processes.append(process)
        return process


def start(settings: Settings, log: IO[str], *command: str) -> "subprocess.Popen[bytes]":
    """A process of the product, in a session of its own; its output goes to the log."""
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        env={**os.environ, **as_environment(settings)},
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
