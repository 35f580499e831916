"""docker-compose.yml in a clone of this checkout, as a user starts it, and how it is asked."""

import http.client
import json
import os
import ssl
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMPOSE = Path(".venv-delivery/bin/docker-compose").absolute()
PORT = 18443


@dataclass
class Stack:
    """A running stack.

    Attributes:
        directory: checkout with docker-compose.yml and secrets/.
        images: variables of docker-compose.yml.
        leave_out: services that no image can stand in for.
    """

    directory: Path
    images: dict[str, str]
    leave_out: tuple[str, ...] = ()

    def compose(self, *arguments: str, check: bool = True, timeout: float = 300) -> str:
        environment = {**os.environ, **self.images, "PERENNIAL_HTTPS_PORT": str(PORT)}
        found = subprocess.run(
            [str(COMPOSE), *arguments], cwd=self.directory, env=environment,
            capture_output=True, text=True, timeout=timeout,
        )  # fmt: skip
        if check and found.returncode:
            raise RuntimeError(f"docker-compose {' '.join(arguments)}: {found.stderr[-2000:]}")
        return found.stdout

    def up(self) -> None:
        without = [part for name in self.leave_out for part in ("--scale", f"{name}=0")]
        self.compose("up", "-d", "--wait", "--pull", "missing" if not self.leave_out else "never",
                     *without)  # fmt: skip

    def execute(self, service: str, *command: str) -> str:
        return self.compose("exec", "-T", service, *command)

    def secret(self, name: str) -> str:
        return (self.directory / "secrets" / name).read_text()

    def containers(self) -> list[dict[str, Any]]:
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        return [json.loads(line) for line in lines]

    def ask(self, method: str, path: str, body: object = None, *, key: bool = True) -> "Answer":
        """One request through Caddy, by HTTPS that is verified by Caddy's own authority."""
        root = self.execute("caddy", "cat", "/data/caddy/pki/authorities/local/root.crt")
        connection = http.client.HTTPSConnection(
            "localhost", PORT, timeout=30, context=ssl.create_default_context(cadata=root)
        )
        headers = {"X-API-Key": self.secret("admin_key")} if key else {}
        sent = None if body is None else json.dumps(body)
        if sent is not None:
            headers["Content-Type"] = "application/json"
        with closing(connection):
            connection.request(method, path, sent, headers)
            response = connection.getresponse()
            return Answer(response.status, response.read())

    def rows(self, query: str) -> str:
        return self.execute("postgres", "psql", "-h", "/tmp", "-U", "perennial", "-At", "-c", query,
                            "perennial").strip()  # fmt: skip

    def measure(self, query: str) -> list[dict[str, Any]]:
        """What Prometheus says."""
        path = f"http://127.0.0.1:9090/api/v1/query?query={query}"
        found = json.loads(self.execute("prometheus", "wget", "-qO-", path))
        return list(found["data"]["result"])


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def wait_for(what: Callable[[], object], seconds: float = 60) -> None:
    """Until it is true; what a killed container makes impossible for a moment is not an end."""
    end, problem = time.monotonic() + seconds, "it stayed false"
    while time.monotonic() < end:
        try:
            if what():
                return
        except (OSError, RuntimeError, http.client.HTTPException) as error:
            problem = str(error)
        time.sleep(0.5)
    raise AssertionError(f"not within {seconds:.0f} s: {problem}")
