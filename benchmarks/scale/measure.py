"""Time and memory of a command with all its processes, which may not exceed given limits."""

import resource
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

SAMPLE_SECONDS = 0.05
SHOWN = 300  # characters of what a command that failed has said


def measure(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    *,
    memory_mb: int,
    limit_seconds: float,
) -> dict[str, Any]:
    """Run a command.

    Args:
        memory_mb: address space that each process gets at most.
        limit_seconds: after them it is killed.

    Returns:
        `seconds`, `cpu_seconds` of all its processes, `rss_mb` (the most that they had resident
        together) and, if it did not end well, `failed`: why.
    """
    started, before, peak, over = time.perf_counter(), _processor_seconds(), [0.0], False
    with log.open("w") as file, subprocess.Popen(
        command, env=dict(environment), stdout=file, stderr=subprocess.STDOUT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20,) * 2),
    ) as process:  # fmt: skip
        watcher = threading.Thread(target=_watch, args=(process.pid, peak))
        watcher.start()
        try:
            process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            over = True
            process.kill()
        watcher.join()
    found = {"seconds": round(time.perf_counter() - started, 1),
             "cpu_seconds": round(_processor_seconds() - before, 1),
             "rss_mb": round(peak[0])}  # fmt: skip
    if over:
        return {**found, "failed": "it was stopped"}
    if process.returncode:
        return {**found, "failed": _last_line(log) or f"status {process.returncode}"}
    return found


def _processor_seconds() -> float:
    """Of all children that have ended, and theirs: what a shared machine hardly changes."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][-SHOWN:] if lines else ""


def _watch(pid: int, peak: list[float]) -> None:
    try:
        own = psutil.Process(pid)
        while own.is_running() and own.status() != psutil.STATUS_ZOMBIE:
            family = [own, *own.children(recursive=True)]
            peak[0] = max(peak[0], sum(_megabytes(each) for each in family))
            time.sleep(SAMPLE_SECONDS)
    except psutil.NoSuchProcess:
        return


def _megabytes(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss / 1e6)
    except psutil.NoSuchProcess:
        return 0.0
