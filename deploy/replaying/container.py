"""An image's real process behind the guards of docker-compose.yml, with no network but loopback.

It is asked from inside (relay.py), so it publishes nothing. Its database, its bundles and its key
are on tmpfs and end with it; the key never leaves the container.
"""

import json
import os
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.replaying.door import RELAY, BrokenDoorError, Relayed, Reply, wait_ready

PORT, KEY = 8000, "/tmp/replay-key"  # noqa: S108  # in the container, on its tmpfs
# What docker-compose.yml's `migrate` does, and then the service in the same process.
START = f"""
import os, pathlib, secrets, subprocess, sys
key = pathlib.Path({KEY!r})
key.touch(0o600)
key.write_text("perennial_" + secrets.token_urlsafe(32))
install = [sys.executable, "-m", "deploy.install", f"--key=replay:predict:{{key}}"]
subprocess.run(install, check=True)
os.execv(sys.executable, [sys.executable, "-m", "service"])
"""
PEAK = """
import os, pathlib
total = 0
for status in pathlib.Path("/proc").glob("[0-9]*/status"):
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
    if status.parent.name != str(os.getpid()):
        total += int(fields.get("VmHWM", "0 kB").split()[0])
print(total)
"""
GUARDS = (
    "--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges:true",
    "--user=10001:10001", "--pids-limit=512", "--memory=1g", "--memory-swap=1g", "--cpus=1",
    "--tmpfs=/tmp:mode=1777,size=512m", "--no-healthcheck",
)  # fmt: skip
ENVIRONMENT = {
    "PERENNIAL_DATABASE_URL": "sqlite:////tmp/replay.db",
    "PERENNIAL_BUNDLES_DIR": "/tmp/bundles",  # noqa: S108
    "PERENNIAL_REPORTS_DIR": "/tmp/reports",  # noqa: S108
    "PERENNIAL_SPOOL_DIR": "/tmp/spool",  # noqa: S108
    "PERENNIAL_METRICS_DIR": "/tmp/metrics",  # noqa: S108
    "PERENNIAL_HOST": "127.0.0.1",
    "PERENNIAL_PORT": str(PORT),
    "PERENNIAL_ACCESS_LOG": "false",
}
BUNDLE = "/app/build/bundle"
SHOWN_LINES = 12
COMMAND_SECONDS = 120
PULL_SECONDS = 1800


class EngineError(RuntimeError):
    """The container engine did not do what it was asked; the message is the engine's."""


def docker(*arguments: str, seconds: float = COMMAND_SECONDS) -> str:
    """Run the engine's command; returns its stdout.

    Raises:
        EngineError: it is missing, refused, or took longer.
    """
    try:
        found = _run(arguments, seconds)
    except FileNotFoundError:
        raise EngineError("no container engine: `docker` is not on the PATH") from None
    except subprocess.TimeoutExpired:
        raise EngineError(f"`docker {arguments[0]}` took more than {seconds:.0f} s") from None
    if found.returncode:
        said = found.stderr.strip().splitlines() or ["it said nothing"]
        raise EngineError(f"`docker {arguments[0]}` failed: {said[-1]}")
    return found.stdout.strip()


def _run(
    arguments: Sequence[str], seconds: float = COMMAND_SECONDS
) -> "subprocess.CompletedProcess[str]":
    command = ["docker", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds)


def find_image(image: str) -> str:
    """The image's id, pulled where it is not here.

    Raises:
        EngineError: there is no engine, or no such image.
    """
    docker("version")  # the one that answers says more clearly that it does not
    try:
        found = docker("image", "inspect", image)
    except EngineError:
        docker("pull", "--quiet", image, seconds=PULL_SECONDS)
        found = docker("image", "inspect", image)
    return str(json.loads(found)[0]["Id"])


class Container:
    """A Door to one image's process."""

    def __init__(self, image: str, name: str, start_seconds: float) -> None:
        self.name, self._start_seconds = name, start_seconds
        settings = [f"--env={key}={value}" for key, value in ENVIRONMENT.items()]
        docker("run", "--detach", f"--name={name}", *GUARDS, *settings, "--entrypoint=python",
               image, "-c", START)  # fmt: skip
        self._relay = self._open()

    def _open(self) -> Relayed:
        return Relayed(["docker", "exec", "--interactive", self.name, "python", "-u", "-c",
                        RELAY.read_text(), str(PORT), KEY])  # fmt: skip

    def wait(self) -> None:
        """Until it is ready.

        Raises:
            BrokenDoorError: it ended, or is too slow.
        """
        try:
            wait_ready(self._relay, self._start_seconds)
        except BrokenDoorError as error:
            raise BrokenDoorError(f"{error}; its last words: {self.last_words()}") from None

    def ask(self, method: str, path: str, body: str | None = None) -> Reply:
        """Raises BrokenDoorError."""
        reply = self._relay.ask(method, path, body)
        if reply.status == 0 and self._relay.ask("GET", "/health/live").status != 200:
            raise BrokenDoorError(f"the process ended while it was asked: {reply.body}")
        return reply

    def mend(self) -> None:
        """Raises BrokenDoorError."""
        self._relay.close()
        docker("restart", "--time=1", self.name)
        self._relay = self._open()
        self.wait()

    def last_words(self) -> str:
        found = _run(["logs", "--tail", str(SHOWN_LINES), self.name])
        return (found.stdout + found.stderr).strip()

    def peak_mb(self) -> float:
        """Of all its processes together, each at its own peak. Raises EngineError."""
        return int(docker("exec", self.name, "python", "-c", PEAK)) * 1024 / 1e6

    def copy_bundle(self, directory: Path) -> Path:
        """What the image carries, in `directory`. Raises EngineError."""
        docker("cp", f"{self.name}:{BUNDLE}", str(directory))
        return directory

    def remove(self) -> None:
        """End it; raises nothing that would hide another error."""
        self._relay.close()
        _run(["rm", "--force", "--volumes", self.name])


@contextmanager
def running(image: str, role: str, start_seconds: float) -> Iterator[Container]:
    """A container of the image, removed at the end; not necessarily ready.

    Raises:
        EngineError: the engine refuses to start it.
    """
    name = f"perennial-replay-{role}-{os.getpid()}-{secrets.token_hex(3)}"
    try:
        container = Container(image, name, start_seconds)
    except EngineError:
        _run(["rm", "--force", name])
        raise
    try:
        yield container
    finally:
        container.remove()
