"""A private clone of the project in which one retrain runs; nobody's checkout is touched."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from monitoring.process_tree import MARK, end_group, end_marked

# What a stage says in one line, or the last line of a traceback.
CAUSE = re.compile(
    r"(ingest|validate|prepare|train|evaluate|package|gate|update): |[A-Za-z_.]+(Error|Exception): "
)
POLL_SECONDS = 0.1
TETHER = Path(__file__).with_name("tether.py")
AUTHOR = ["-c", "user.name=Perennial", "-c", "user.email=retrain@perennial.invalid"]


class CommandError(RuntimeError):
    """A command in the working copy failed or took too long; its output is in the retrain's log."""


@dataclass(frozen=True)
class WorkingCopy:
    """A clone whose commands write to one log file.

    They are killed when `stop` is set (their process is to end) or `lost` (its lease is gone).
    """

    directory: Path
    log: IO[str]
    stop: threading.Event
    lost: threading.Event = field(default_factory=threading.Event)

    def run(self, *command: str, deadline_seconds: float = 300) -> None:
        """Run a command in the clone; it and all its children end with it, or with this process.

        Raises:
            CommandError: it failed, passed its deadline or was stopped.
        """
        self.log.write(f"$ {' '.join(command)}\n")
        self.log.flush()
        process = subprocess.Popen(
            [sys.executable, "-I", str(TETHER), *command],
            cwd=self.directory,
            env=_environment(self.directory),
            stdin=subprocess.PIPE,  # never written to: it closes when this process dies
            stdout=self.log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = self._wait(process, deadline_seconds)
        finally:  # also on Ctrl-C: no orphan keeps training
            end_group(process.pid)
            end_marked(self.directory)
            process.communicate()
        if code:
            raise CommandError(f"`{' '.join(command[:3])}` ended with {code}: {self._last_line()}")

    def commit(self, message: str, project: Path, ref: str) -> str:
        """Commit everything and keep it in the project under `ref`.

        Returns:
            The commit's id.
        """
        self.run("git", "add", "--all")
        self.run("git", *AUTHOR, "commit", "--quiet", "--no-verify", "--allow-empty", "-m", message)
        self.run("git", "push", "--quiet", str(project), f"HEAD:{ref}")
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"],  # noqa: S607  # git is found as the user finds it
            cwd=self.directory, check=True, capture_output=True, text=True,
        )  # fmt: skip
        return head.stdout.strip()

    def _wait(self, process: "subprocess.Popen[bytes]", deadline_seconds: float) -> int:
        end = time.monotonic() + deadline_seconds
        while (code := process.poll()) is None:
            if self.stop.wait(POLL_SECONDS):
                raise CommandError("stopped, because its process was asked to end")
            if self.lost.is_set():
                raise CommandError("stopped, because another process has taken its lease")
            if time.monotonic() > end:
                raise CommandError(f"took more than {deadline_seconds:.0f} s")
        return code

    def _last_line(self) -> str:
        """The newest exception's message if there is one: DVC's own last line names no cause."""
        lines = Path(self.log.name).read_text(errors="replace").splitlines()
        told = [line.strip() for line in lines if line.strip()]
        causes = [line for line in told if CAUSE.match(line)]
        return (causes or told or ["no output"])[-1][:400]


@contextmanager
def working_copy(
    project: Path,
    directory: Path,
    log: Path,
    stop: threading.Event,
    lost: threading.Event | None = None,
) -> Iterator[WorkingCopy]:
    """Clone `project` as it is on disk, with its DVC cache shared; removed afterwards.

    Files that are changed or new in the project and not ignored come along, so that a retrain
    learns what `dvc repro` would learn right there.

    Args:
        stop, lost: when one is set, the command under way is killed.

    Raises:
        CommandError: `project` is no git repository, or git or DVC is not installed.
    """
    project = project.resolve()
    log.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    with log.open("a") as stream:
        copy = WorkingCopy(directory.resolve(), stream, stop, lost or threading.Event())
        try:
            copy.run("git", "clone", "--quiet", "--shared", str(project), ".")
            _overlay(project, copy.directory)
            copy.run("dvc", "cache", "dir", "--local", str(project / ".dvc" / "cache"))
            yield copy
        finally:
            shutil.rmtree(directory, ignore_errors=True)


def _overlay(project: Path, directory: Path) -> None:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--modified", "--deleted", "--others", "--exclude-standard"],  # noqa: S607
        cwd=project, check=True, capture_output=True, text=True,
    )  # fmt: skip
    for name in filter(None, listing.stdout.split("\0")):
        source, target = project / name, directory / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
        else:
            target.unlink(missing_ok=True)


def _environment(directory: Path) -> dict[str, str]:
    """This Python's tools come first, as in an activated environment."""
    tools = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}",
        "DVC_NO_ANALYTICS": "1",
        # Not in /var/tmp, where DVC would keep a directory for each copy there ever was.
        "DVC_SITE_CACHE_DIR": str(directory / ".dvc" / "tmp" / "site"),
        "OMP_WAIT_POLICY": "PASSIVE",
        MARK: str(directory),
    }
