"""What bench-serve measures: systems taking turns under wrk, large requests, memory, start."""

import json
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from benchmarks.serving.load import Figures, load
from benchmarks.serving.systems import Row, System, service, wait_for

Runs = dict[str, dict[str, list[Figures]]]

LARGE_ROWS = 1000
LARGE_CONNECTIONS = (1, 4)
START_TRIES = 5


def one_row(
    systems: Mapping[str, System],
    connections: tuple[int, ...],
    rounds: int,
    seconds: int,
    on_run: Callable[[], object],
) -> Runs:
    """Every run of every system at each number of connections, systems taking turns."""
    runs: Runs = {name: {f"c{n}": [] for n in connections} for name in systems}
    for number in connections:
        for _ in range(rounds):
            for name, system in systems.items():
                runs[name][f"c{number}"].append(_load(system, system.body, number, seconds))
                on_run()
    return runs


def _load(system: System, body: bytes, connections: int, seconds: int) -> Figures:
    """As load, with the processor's time that the system took for a request."""
    before = cpu_seconds(system)
    found = load(system.url, body, connections, seconds, headers=system.headers)
    spent = cpu_seconds(system) - before
    return {**found, "cpu_us": round(spent / max(found["requests"], 1) * 1e6, 1)}


def medians(runs: Runs) -> dict[str, dict[str, Figures]]:
    return {
        name: {key: median(found) for key, found in by_connections.items()}
        for name, by_connections in runs.items()
    }


def median(runs: list[Figures]) -> Figures:
    """Of each figure; requests and errors are sums."""
    sums = {name: sum(run[name] for run in runs) for name in ("requests", "errors")}
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]} | sums


def large_requests(system: System, row: Row, rounds: int, seconds: int) -> dict[str, Figures]:
    """Figures of requests of LARGE_ROWS rows, with their rows per second."""
    body = json.dumps({"instances": [row] * LARGE_ROWS}).encode()
    found = {}
    for number in LARGE_CONNECTIONS:
        middle = median([_load(system, body, number, seconds) for _ in range(rounds)])
        found[f"c{number}"] = {**middle, "rows_per_second": middle["rps"] * LARGE_ROWS}
    return found


def rss_bytes(system: System) -> int:
    """Resident memory of the system, its child processes included."""
    process = psutil.Process(system.pid)
    return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])


def cpu_seconds(system: System) -> float:
    """Processor time of the system so far, in user and kernel mode."""
    times = psutil.Process(system.pid).cpu_times()
    return float(times.user + times.system)


def start_seconds(directory: Path, row: Row, tries: int = START_TRIES) -> float:
    """Median time from starting the process to its first 200 on /predict."""
    times: list[float] = []
    for number in range(tries):
        with service(directory / str(number), row) as system:
            wait_for(system, pause_seconds=0.005)
            times.append(time.time() - psutil.Process(system.pid).create_time())
    return statistics.median(times)
