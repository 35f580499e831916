"""Ends every process that a command has left, wherever it has hidden: children inherit a mark.

A process group is not enough: a child can leave it. Linux shows every process's environment;
elsewhere the group is all that can be ended.
"""

import os
import signal
import time
from pathlib import Path

MARK = "PERENNIAL_RUNS_IN"  # the working copy that a process belongs to
ROUNDS, PAUSE_SECONDS = 100, 0.02
_PROC = Path("/proc")


def end_group(leader: int) -> None:
    """Kill a process group at once; none left is fine."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return


def end_marked(directory: Path) -> None:
    """Kill whatever runs for a working copy, again until nothing is left that could fork."""
    for _ in range(ROUNDS):
        found = marked(directory)
        if not found:
            return
        for process in found:
            _kill(process)
        time.sleep(PAUSE_SECONDS)


def marked(directory: Path) -> list[int]:
    """Ids of the processes that run for a working copy."""
    mark = f"{MARK}={directory}".encode()
    return [int(path.name) for path in _PROC.glob("[0-9]*") if mark in _environment(path)]


def _environment(process: Path) -> list[bytes]:
    try:
        return (process / "environ").read_bytes().split(b"\0")
    except OSError:  # it has ended, or is another user's
        return []


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return
