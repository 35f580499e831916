"""Runs a drill: sets up the copy, tries link after link, stops at the first that is broken."""

import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import wait
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from client import Client, Policy
from contracts.database import make_engine
from contracts.migrate import migrate
from deploy.drill.cuts import Cut
from deploy.drill.flights import Flights
from deploy.drill.inbox import inbox
from deploy.drill.place import (
    RULES,
    SMALL,
    copied,
    drop_rules,
    lay_over,
    settings_in,
    train_first,
)
from deploy.drill.stage import START, LinkBrokenError, Stage, start
from deploy.local import STOP_SECONDS, fresh_key, wait_until_ready

# Long enough for a swap or a slow disk, short enough to say that nobody answers.
PATIENCE = Policy(deadline=10.0)
Links = Mapping[str, Callable[[Stage], str]]


@dataclass(frozen=True)
class Tried:
    """One link; state is ok, broken or not reached."""

    name: str
    state: str
    seconds: float
    told: str


@dataclass(frozen=True)
class Drilled:
    """What a drill has found."""

    tried: tuple[Tried, ...]
    seconds: float

    @property
    def broken(self) -> Tried | None:
        return next((each for each in self.tried if each.state == "broken"), None)


def drill(project: Path, home: Path, cut: Cut, cache: Path | None, links: Links) -> Drilled:
    """Try every link on a copy of `project` in `home`.

    Raises:
        CommandError: the copy could not be trained.
        StackError: its service did not start.
    """
    began = time.monotonic()
    print(f"{'set-up':10} ", end="", flush=True)
    with stage_of(project, home, cut, cache) as stage:
        print(f"ok      {time.monotonic() - began:5.1f} s  trained and started; {cut.told}")
        tried = tuple(_try_all(stage, links))
    return Drilled(tried, time.monotonic() - began)


def _try_all(stage: Stage, links: Links) -> Iterator[Tried]:
    broken = False
    for name, link in links.items():
        if broken:
            yield Tried(name, "not reached", 0.0, "")
            continue
        print(f"{name:10} ", end="", flush=True)
        began = time.monotonic()
        try:
            state, told = "ok", link(stage)
        except LinkBrokenError as error:
            state, told, broken = "broken", str(error), True
        seconds = time.monotonic() - began
        print(f"{state:7} {seconds:5.1f} s  {told}", flush=True)
        yield Tried(name, state, seconds, told)


@contextmanager
def stage_of(project: Path, home: Path, cut: Cut, cache: Path | None) -> Iterator[Stage]:
    """The trained copy with its scheduler and service; what is left in the end are logs."""
    with ExitStack() as at_end:
        copy = at_end.enter_context(copied(project, home / "project", cache))
        lay_over(copy.directory / "params.yaml", SMALL, cut.params)
        if not cut.rules:
            drop_rules(copy.directory / RULES)
        urls, news = at_end.enter_context(inbox())
        settings = settings_in(home, copy.directory, urls, cut.settings)
        engine = make_engine(settings.database_url)
        at_end.callback(engine.dispose)
        migrate(engine)
        log = at_end.enter_context((home / "processes.log").open("a"))
        scheduler = start(settings, log, "monitoring.scheduler") if cut.starts else None
        processes = [scheduler] if scheduler else []
        at_end.callback(_end, processes)
        schema = train_first(copy, engine, settings, START)
        key = fresh_key(engine, "make drill", datetime.now(UTC))
        client = at_end.enter_context(
            Client(f"http://{settings.host}:{settings.port}", key, policy=PATIENCE)
        )
        service = start(settings, log, "service")
        processes.append(service)
        wait_until_ready(settings, {"service": service})
        flights = Flights(copy.directory / "data" / "raw.parquet", schema.names)
        stage = Stage(
            settings, engine, client, key, flights, cut, log, copy.directory, processes, news
        )
        at_end.callback(_give_up, stage)
        yield stage


def _give_up(stage: Stage) -> None:
    """A retrain under way ends."""
    stage.stop.set()
    if stage.job is not None:
        wait([stage.job])


def _end(processes: "list[subprocess.Popen[bytes]]") -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
