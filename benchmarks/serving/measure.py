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
                found = load(system.url, system.body, number, seconds, headers=system.headers)
                runs[name][f"c{number}"].append(found)
                on_run()
    return runs


def medians(runs: Runs) -> dict[str, dict[str, Figures]]:
    return {
        name: {key: median(found) for key, found in by_connections.items()}
        for name, by_connections in runs.items()
    }


def median(runs: list[Figures]) -> Figures:
    """Of each figure; requests and errors are sums."""
    middle = {k: statistics.median(run[k] for run in runs) for k in ("rps", "p50_ms", "p99_ms")}
    return {**middle, **{k: sum(run[k] for run in runs) for k in ("requests", "errors")}}


def large_requests(system: System, row: Row, rounds: int, seconds: int) -> dict[str, Figures]:
    """Figures of requests of LARGE_ROWS rows, with their rows per second."""
    body = json.dumps({"instances": [row] * LARGE_ROWS}).encode()
    found = {}
    for number in LARGE_CONNECTIONS:
        runs = [load(system.url, body, number, seconds, headers=system.headers)
                for _ in range(rounds)]  # fmt: skip
        middle = median(runs)
        found[f"c{number}"] = {**middle, "rows_per_second": middle["rps"] * LARGE_ROWS}
    return found


def rss_bytes(system: System) -> int:
    """Resident memory of the system, its child processes included."""
    process = psutil.Process(system.pid)
    return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])


def start_seconds(directory: Path, row: Row, tries: int = START_TRIES) -> float:
    """Median time from starting the process to its first 200 on /predict."""
    times: list[float] = []
    for number in range(tries):
        with service(directory / str(number), row) as system:
            wait_for(system, pause_seconds=0.005)
            times.append(time.time() - psutil.Process(system.pid).create_time())
    return statistics.median(times)
