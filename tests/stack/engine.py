"""A container engine for tests: the one that is there, or a private one that ends with them."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

READY_SECONDS = 40
PACKAGES = "docker.io iptables mmdebstrap"


class NoEngineError(RuntimeError):
    """No container engine answers, and none can be started here."""


def answers(host: str | None) -> bool:
    if shutil.which("docker") is None:
        return False
    environment = {**os.environ, **({"DOCKER_HOST": host} if host else {})}
    found = subprocess.run(["docker", "version"], env=environment, capture_output=True)
    return found.returncode == 0


@contextmanager
def engine(directory: Path) -> Iterator[str | None]:
    """DOCKER_HOST of an engine; None = the usual one answers already.

    Raises:
        NoEngineError: with what is missing.
    """
    if answers(os.environ.get("DOCKER_HOST")):
        yield os.environ.get("DOCKER_HOST")
        return
    if os.getuid() != 0 or shutil.which("dockerd") is None:
        raise NoEngineError(f"no engine answers; a private one needs root and {PACKAGES}")
    directory.mkdir(parents=True)
    host = f"unix://{directory}/docker.sock"
    with (directory / "dockerd.log").open("wb") as log:
        daemon = subprocess.Popen(
            ["dockerd", "-H", host, "--data-root", directory / "data", "--exec-root",
             directory / "exec", "--pidfile", directory / "docker.pid",
             "--storage-driver=overlay2", "--oom-score-adjust=0"],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        _wait(daemon, host, directory)
        yield host
    finally:
        daemon.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            daemon.wait(60)
        subprocess.run(["umount", directory / "exec/netns/default"], capture_output=True)
        shutil.rmtree(directory, ignore_errors=True)


def _wait(daemon: "subprocess.Popen[bytes]", host: str, directory: Path) -> None:
    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end and daemon.poll() is None:
        if answers(host):
            return
        time.sleep(0.5)
    said = (directory / "dockerd.log").read_text().strip().splitlines()
    raise NoEngineError(f"dockerd did not come up: {said[-1] if said else 'it said nothing'}")
