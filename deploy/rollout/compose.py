"""A host with a container engine and docker-compose.yml's stack, as a rollout uses it."""

import json
import os
import secrets
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.rollout.record import replace_text, set_variable

VARIABLE = "PERENNIAL_SERVICE_IMAGE"
NEXT_VARIABLE = "PERENNIAL_NEXT_IMAGE"
UPSTREAMS = Path("deploy/caddy/upstreams")
PORT = 8000
START_SECONDS = 90
COMMAND_SECONDS = 300.0
# The release by itself: its own ledger and registry, in memory and gone with it.
TRIAL = {
    "PERENNIAL_DATABASE_URL": "sqlite:////tmp/trial.db",
    "PERENNIAL_BUNDLES_DIR": "/tmp/bundles",  # noqa: S108  # a tmpfs of its own
    "PERENNIAL_SPOOL_DIR": "/tmp/spool",  # noqa: S108
    "PERENNIAL_METRICS_DIR": "/tmp/metrics",  # noqa: S108
    "PERENNIAL_LIMITS_URL": "memory://",
    "PERENNIAL_DURABILITY": "fast",
}
START_TRIAL = (
    'printf %s "$PERENNIAL_API_KEY" >/tmp/key'
    " && python -m deploy.install --bundle={} --key=trial:predict,read:/tmp/key"
    " && exec python -m service"
)


class HostError(RuntimeError):
    """A command of the engine failed; the message ends with what it said."""


@dataclass(frozen=True)
class ComposeHost:
    """The stack of a directory.

    Attributes:
        directory: with docker-compose.yml, .env and secrets/.
        command: how compose is called.
        key: of the predict and read scopes.
        lock: descriptor that commands get: one that outlives a killed rollout holds its lock.
    """

    directory: Path
    command: Sequence[str]
    key: str
    lock: int

    def fetch(self, image: str) -> None:
        """Pull an image unless it is there.

        Raises:
            HostError: it can be neither found nor pulled.
        """
        try:
            self._docker("image", "inspect", image)
        except HostError:
            self._docker("pull", "--quiet", image)

    def install(self, image: str) -> None:
        """Tables, bundle and keys of a release, as docker-compose.yml's `migrate` does."""
        self._compose("run", "--rm", "--no-deps", "-T", "migrate", **{VARIABLE: image})

    @contextmanager
    def trial(self, image: str, bundle: str | None) -> Iterator[str]:
        """The release by itself, on a throw-away ledger.

        Args:
            bundle: a registered version; None = the one that the image carries.

        Yields:
            Its key.
        """
        key = f"perennial_{secrets.token_urlsafe(32)}"
        given = [part for name, value in TRIAL.items() for part in ("-e", f"{name}={value}")]
        where = "build/bundle" if bundle is None else f"/var/lib/perennial/bundles/{bundle}"
        self._remove_trial()
        try:
            self._compose(
                "run", "-d", "--no-deps", "-T", "--name", self._trial_name(), *given,
                "-e", "PERENNIAL_API_KEY", "next", "sh", "-c", START_TRIAL.format(where),
                **{NEXT_VARIABLE: image, "PERENNIAL_API_KEY": key},
            )  # fmt: skip
            yield key
        finally:
            self._remove_trial()

    def trial_log(self) -> str:
        """The last lines of the release on trial."""
        found = self._run(["docker", "logs", "--tail", "5", self._trial_name()], check=False)
        return (found.stdout + found.stderr).strip()

    def start_next(self, image: str) -> None:
        """The new release's replicas, healthy, beside the present ones."""
        self._up("next", **{NEXT_VARIABLE: image})

    def restart_service(self) -> None:
        """Replace `service` by the image that .env names; returns once it is healthy."""
        self._up("service")

    def stop_next(self) -> None:
        """Stop and remove `next` and what is left of a trial; nothing there = nothing done."""
        self._remove_trial()
        self._compose("rm", "--stop", "--force", "next")

    def run(self, place: str, script: Path, *arguments: str, stdin: str = "", key: str = "") -> str:
        """Run a script inside a container of `service`, `next` or `trial`; its stdout.

        Raises:
            HostError: it ended with another code than 0.
        """
        container = self._trial_name() if place == "trial" else self.containers(place)[0]
        command = ["docker", "exec", "-i", "-e", "PERENNIAL_API_KEY", container, "python", "-c",
                   script.read_text(), *arguments]  # fmt: skip
        found = self._run(command, stdin, {"PERENNIAL_API_KEY": key or self.key}, check=False)
        if found.returncode:
            raise HostError((found.stdout + found.stderr).strip()[-1000:])
        return found.stdout

    def containers(self, service: str) -> list[str]:
        """Ids of its running containers.

        Raises:
            HostError: there are none.
        """
        found = self._compose("ps", "-q", service).split()
        if not found:
            raise HostError(f"no container of `{service}` runs; `docker compose up -d` first")
        return found

    def present_image(self) -> str:
        return str(self._inspect(self.containers("service")[0])["Config"]["Image"])

    def pointed(self) -> tuple[str, str]:
        """Who answers (`service` or `next`), and who answers the canary's share."""
        current, canary = (
            (self.directory / UPSTREAMS / name).read_text().strip()
            for name in ("current", "canary")
        )
        return current, canary

    def point(self, current: str, canary: str) -> None:
        """Caddy reads these files at each request, so no connection is closed by a change."""
        for name, value in (("canary", canary), ("current", current)):
            replace_text(self.directory / UPSTREAMS / name, value)

    def remember(self, image: str) -> None:
        """`docker compose up` starts this image from now on."""
        set_variable(self.directory / ".env", VARIABLE, image)

    def _up(self, service: str, **variables: str) -> None:
        self._compose("up", "-d", "--no-deps", "--no-build", "--wait",
                      "--wait-timeout", str(START_SECONDS), service, **variables)  # fmt: skip

    def _trial_name(self) -> str:
        labels = self._inspect(self.containers("service")[0])["Config"]["Labels"]
        return f"{labels['com.docker.compose.project']}-trial"

    def _remove_trial(self) -> None:
        self._run(["docker", "rm", "--force", "--volumes", self._trial_name()], check=False)

    def _inspect(self, container: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(self._docker("inspect", container))
        return found[0]

    def _docker(self, *arguments: str) -> str:
        return self._run(["docker", *arguments]).stdout

    def _compose(self, *arguments: str, **variables: str) -> str:
        return self._run([*self.command, *arguments], "", variables).stdout

    def _run(
        self,
        command: Sequence[str],
        stdin: str = "",
        variables: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "COMPOSE_PROFILES": "rollout", **(variables or {})}
        try:
            found = subprocess.run(
                command, cwd=self.directory, env=environment, input=stdin, capture_output=True,
                text=True, timeout=COMMAND_SECONDS, pass_fds=(self.lock,),
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise HostError(f"{' '.join(command[:3])}: {error}") from None
        if check and found.returncode:
            said = found.stderr.strip()[-1000:]
            raise HostError(f"{' '.join(command[:3])} ended with {found.returncode}: {said}")
        return found
