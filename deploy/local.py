"""What `make run` does: train, register, then keep the service and the scheduler running.

`python -m deploy.local`. Everything is on SQLite and in var/; Ctrl-C stops both processes.
"""

import argparse
import http.client
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from pydantic import ValidationError
from sqlalchemy import Engine

from contracts.bundle_files import BundleError
from contracts.database import DatabaseUrlError, make_engine, write_transaction
from contracts.migrate import migrate
from contracts.registry import champion, promote, register
from contracts.settings import Settings
from service.access.key_store import ALL_SCOPES, NewKey, create_key, revoke_named

BUNDLE = Path("build/bundle")
READY_SECONDS = 60
STOP_SECONDS = 15
KEY_NAME = "make run"

Processes = dict[str, "subprocess.Popen[bytes]"]


class StackError(RuntimeError):
    """The stack did not come up or did not stay up."""


def train() -> None:
    """`dvc repro` with this Python's tools; does nothing when nothing changed.

    Raises:
        StackError: a stage failed; its own output says why.
    """
    tools = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}",
                   "OMP_WAIT_POLICY": "PASSIVE"}  # fmt: skip
    command = [f"{tools}/dvc", "repro"]
    process = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        code = process.wait()
    finally:  # interrupted: DVC's stages are in its group and end with it
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            _wait_or_kill(process)
    if code:
        raise StackError(f"`dvc repro` ended with {code}; see above")


def track() -> None:
    """Log the bundle to MLflow where MLFLOW_TRACKING_URI names one; failing is only told."""
    if os.environ.get("MLFLOW_TRACKING_URI"):
        subprocess.run([sys.executable, "-m", "pipeline.track"], check=False)


def publish(engine: Engine, settings: Settings, now: datetime) -> tuple[str, str]:
    """Register the trained bundle; the very first one becomes champion.

    Returns:
        The champion's version and that of the trained bundle.
    """
    made = {"made_at": now.isoformat(), "host": platform.node(), "commit": _commit(),
            "python": platform.python_version()}  # fmt: skip
    version = register(engine, settings.bundles_dir, BUNDLE, now, made)
    with write_transaction(engine) as connection:
        current = champion(connection)
        if current is None:
            promote(connection, version, actor="make run", reason="the first bundle", now=now)
    return (current.version if current else version), version


def fresh_key(engine: Engine, name: str, now: datetime) -> str:
    """A key that may do everything; earlier ones of this name end, so that none is left behind."""
    revoke_named(engine, name, actor=name, now=now)
    return create_key(engine, NewKey(name, ALL_SCOPES), actor=name, now=now)


def _commit() -> str | None:
    """The checked-out commit; None outside a git repository or without git."""
    command = ["git", "rev-parse", "HEAD"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


@contextmanager
def running(settings: Settings, *names: str, log: IO[str] | None = None) -> Iterator[Processes]:
    """Start processes (`service`, `monitoring.scheduler`) and stop them at the end.

    Each gets a session of its own, so that Ctrl-C reaches only this one, which then ends them in
    order.

    Args:
        log: what they say; None = to the terminal.
    """
    environment = {**os.environ, **as_environment(settings)}
    processes: Processes = {}
    try:
        for name in names:
            command = [sys.executable, "-m", name]
            processes[name] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        yield processes
    finally:
        for process in processes.values():
            process.send_signal(signal.SIGTERM)
        for process in processes.values():
            _wait_or_kill(process)


def as_environment(settings: Settings) -> dict[str, str]:
    """Settings as the variables that give the same settings in another process."""
    found = {}
    for name, value in settings.model_dump().items():
        found[f"PERENNIAL_{name.upper()}"] = str(value)
    return found


def wait_until_ready(settings: Settings, processes: Processes) -> None:
    """Return once /health/ready answers 200.

    Raises:
        StackError: a process ended, or READY_SECONDS passed.
    """
    end = time.monotonic() + READY_SECONDS
    while True:
        ended = [name for name, process in processes.items() if process.poll() is not None]
        if ended:
            raise StackError(f"{ended[0]} ended; its last lines are above")
        if is_ready(settings):
            return
        if time.monotonic() > end:
            raise StackError(f"the service was not ready within {READY_SECONDS} s")
        time.sleep(0.1)


def is_ready(settings: Settings) -> bool:
    """Whether a service with a champion answers at the settings' address."""
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def free_port() -> int:
    """A port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _refuse_taken_port(settings: Settings) -> None:
    with socket.socket() as probe:
        if probe.connect_ex((settings.host, settings.port)) == 0:
            raise StackError(
                f"something already answers at {settings.host}:{settings.port}; stop it, or "
                "choose another PERENNIAL_PORT"
            )


def _wait_or_kill(process: "subprocess.Popen[bytes]") -> None:
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _announce(settings: Settings, key: str, version: str, trained: str) -> None:
    address = f"http://{settings.host}:{settings.port}"
    print(f"""
Perennial is running. Champion: {version}
  Pages        {address}/
  API docs     {address}/docs
  Reports      {address}/reports
  Metrics      {address}/metrics
Pages ask you to sign in once, with this key. In another terminal:
  export PERENNIAL_API_KEY={key}
  curl -s {address}/models -H "X-API-Key: $PERENNIAL_API_KEY"
The key may do everything and ends at the next `make run`; others: python -m service.keys --help
  Months of traffic in minutes: `make replay` in another terminal. Ctrl-C stops everything.""")
    if trained != version:
        print(
            f"  build/bundle is {trained}; serve it: python -m contracts.registry promote {trained}"
        )
    sys.stdout.flush()


def _stay(processes: Processes) -> None:
    while True:
        for name, process in processes.items():
            if process.poll() is not None:
                raise StackError(f"{name} ended with {process.returncode}; see above")
        time.sleep(0.5)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def run(settings: Settings) -> None:
    """Train, publish, start, announce; returns when it is interrupted.

    Raises:
        StackError: see above.
    """
    _refuse_taken_port(settings)
    print("Training, where something changed (dvc repro) ...", flush=True)
    train()
    track()
    engine = make_engine(settings.database_url)
    migrate(engine)
    version, trained = publish(engine, settings, datetime.now(UTC))
    key = fresh_key(engine, KEY_NAME, datetime.now(UTC))
    with running(settings, "service", "monitoring.scheduler") as processes:
        wait_until_ready(settings, processes)
        _announce(settings, key, version, trained)
        _stay(processes)


def main() -> None:
    argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__).parse_args()
    for how in (signal.SIGTERM, signal.SIGINT):  # also where a shell started it deaf to Ctrl-C
        signal.signal(how, _interrupt)
    try:
        run(Settings(port=Settings().port or free_port()))
    except KeyboardInterrupt:
        print("\nstopped")
    except (StackError, BundleError, DatabaseUrlError, ValidationError) as error:
        sys.exit(f"make run: {error}")


if __name__ == "__main__":
    main()
