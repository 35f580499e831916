"""What a rollout leaves on disk: a lock, where it is, its journal, and the image of .env."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class BusyError(RuntimeError):
    """Another rollout runs."""


@dataclass(frozen=True)
class Record:
    """Files in `directory`: state.json is rewritten, journal.jsonl only grows.

    Attributes:
        lock: descriptor of the lock; what it is passed to holds the lock as well.
    """

    directory: Path
    lock: int = -1

    def note(self, step: str, **facts: object) -> None:
        """Write a line to the journal and a human one to stdout."""
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"at": moment, "pid": os.getpid(), "step": step, **facts}, default=str)
        with (self.directory / "journal.jsonl").open("a") as file:
            file.write(line + "\n")
        said = "  ".join(f"{name}: {value}" for name, value in facts.items())
        print(f"{moment[11:19]}  {step:12}{said}", flush=True)

    def read(self) -> dict[str, Any]:
        """Where the last rollout was; empty = it was over, or there was none."""
        path = self.directory / "state.json"
        return json.loads(path.read_text()) if path.exists() else {}

    def write(self, **state: object) -> None:
        replace_text(self.directory / "state.json", json.dumps(state))


@contextmanager
def only_one(directory: Path) -> Iterator[Record]:
    """Hold the lock; it ends with the process and those it is passed to, however they end.

    Raises:
        BusyError: another process has it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(f"another rollout runs; {directory}/journal.jsonl says where") from None
        yield Record(directory, file.fileno())


def replace_text(path: Path, text: str) -> None:
    """All or nothing, and durable; the mode of what was there stays."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
    with fresh.open() as file:
        os.fsync(file.fileno())
    fresh.rename(path)


def set_variable(path: Path, name: str, value: str) -> None:
    """Set one variable of an .env file; every other line stays as it is."""
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if line.partition("=")[0].strip() != name]
    replace_text(path, "\n".join([*kept, f"{name}={value}"]) + "\n")
