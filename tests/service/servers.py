"""Real servers for tests: in this process on a thread, or as `python -m service`."""

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import uvicorn

from contracts.settings import Settings
from service.app import create_app, utc_now
from service.border.guard import Guard
from service.border.journal import Journal
from service.border.protocol import GuardedProtocol, make_protocol

PATIENCE_SECONDS = 15
START_SECONDS = 60  # of a process, on a machine that does other things too


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until the condition holds; fail if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


@contextmanager
def serving(
    settings: Settings,
    journal: Journal | None = None,
    guard: Guard | None = None,
    wrap: Callable[[Any], Any] = lambda app: app,
    clock: Callable[[], datetime] = utc_now,
) -> Iterator[int]:
    """The app, or what `wrap` makes of it, under uvicorn in this process; gives its port."""
    protocol = partial(GuardedProtocol, guard=guard) if guard else make_protocol(settings)
    config = uvicorn.Config(
        wrap(create_app(settings, journal=journal, clock=clock)),
        port=0,
        loop="uvloop",
        http=protocol,
        ws="none",
        log_level="error",
        lifespan="on",
        server_header=False,
        proxy_headers=False,
    )
    server = uvicorn.Server(config)
    thread = Thread(target=server.run)
    thread.start()
    try:
        wait_for(lambda: server.started)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def environment(settings: Settings) -> dict[str, str]:
    """The settings as a process reads them."""
    return {
        **os.environ,
        "PERENNIAL_DATABASE_URL": settings.database_url,
        "PERENNIAL_BUNDLES_DIR": str(settings.bundles_dir),
        "PERENNIAL_REPORTS_DIR": str(settings.reports_dir),
        "PERENNIAL_SPOOL_DIR": str(settings.spool_dir),
        "PERENNIAL_METRICS_DIR": str(settings.metrics_dir),
        "PERENNIAL_WORKERS": str(settings.workers),
        "PERENNIAL_PORT": "0",
        "PERENNIAL_ACCESS": settings.access,
    }


@contextmanager
def service_process(settings: Settings, log: Path) -> Iterator[tuple[subprocess.Popen, int]]:
    """`python -m service` and its port; killed at the end if it still runs."""
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service"], stderr=output, env=environment(settings)
        )
    try:
        wait_for(
            lambda: "running on" in log.read_text() or process.poll() is not None, START_SECONDS
        )
        assert process.poll() is None, log.read_text()
        yield process, int(re.search(r"running on http://127\.0\.0\.1:(\d+)", log.read_text())[1])
    finally:
        process.kill()
        process.wait()


def post(
    connection: http.client.HTTPConnection, path: str, body: object, key: str | None = None
) -> tuple[int, dict]:
    headers = {"Content-Type": "application/json"}
    if key is not None:
        headers["X-API-Key"] = key
    connection.request("POST", path, json.dumps(body), headers)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


class Load:
    """Threads that predict over and over; collects every status and every answered id."""

    def __init__(self, port: int, body: object, threads: int = 4, key: str | None = None) -> None:
        self.statuses: list[int] = []
        self.ids: dict[str, str] = {}  # prediction id -> version
        self._going = True
        self._key = key
        self._threads = [Thread(target=self._run, args=(port, body)) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._going = False
        for thread in self._threads:
            thread.join()

    def _run(self, port: int, body: object) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
        try:
            while self._going:
                status, answer = post(connection, "/predict", body, self._key)
                self.statuses.append(status)
                if status == 200:
                    for prediction_id in answer["prediction_id"]:
                        self.ids[prediction_id] = answer["model_version"]
        except (OSError, http.client.HTTPException):
            return  # the server was killed, as some tests want
        finally:
            connection.close()
