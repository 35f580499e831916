"""How a process is asked: one request, one reply, in turn. A door can break, and be mended."""

import json
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

RELAY = Path(__file__).with_name("relay.py")
POLL_SECONDS = 0.1
END_SECONDS = 5


class BrokenDoorError(RuntimeError):
    """The process behind it ended."""


@dataclass(frozen=True)
class Reply:
    """What HTTP said; `seconds` as the asking process measured it, beside the service."""

    status: int
    seconds: float
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def told(self) -> str:
        """The answer in short, for a verdict."""
        try:
            said = json.loads(self.body)
        except ValueError:
            said = self.body
        detail = said.get("detail", said) if isinstance(said, dict) else said
        text = detail if isinstance(detail, str) else json.dumps(detail)
        return f"HTTP {self.status}: {text[:300]}" if self.status else f"no answer: {text[:300]}"


class Door(Protocol):
    """What stands before a replayed process."""

    def ask(self, method: str, path: str, body: str | None = None) -> Reply:
        """Raises BrokenDoorError."""

    def mend(self) -> None:
        """Start the process again. Raises BrokenDoorError: it does not come back."""

    def last_words(self) -> str:
        """What the process said last."""

    def peak_mb(self) -> float:
        """Its largest resident set, in megabytes. Raises BrokenDoorError."""


class Relayed:
    """relay.py running somewhere, and the pipes to it."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            text=True,
        )  # fmt: skip

    def ask(self, method: str, path: str, body: str | None = None) -> Reply:
        """One request and its reply.

        Raises:
            BrokenDoorError: the relay ended.
        """
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        line = ""
        with suppress(BrokenPipeError):
            stdin.write(json.dumps([method, path, body]) + "\n")
            stdin.flush()
            line = stdout.readline()
        if not line.endswith("\n"):
            raise BrokenDoorError("the process ended while it was asked")
        return Reply(*json.loads(line))

    def close(self) -> None:
        """End the relay."""
        self._process.kill()
        self._process.wait(END_SECONDS)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()


def wait_ready(door: Relayed, seconds: float) -> None:
    """Until /health/ready answers 200.

    Raises:
        BrokenDoorError: the process ended, or does not within `seconds`.
    """
    end = time.monotonic() + seconds
    while (reply := door.ask("GET", "/health/ready")).status != 200:
        if time.monotonic() > end:
            raise BrokenDoorError(f"not ready within {seconds:.0f} s: {reply.told}")
        time.sleep(POLL_SECONDS)
