"""Batch scoring against plain pandas and scikit-learn of the same run: rows a second and memory.

`make bench-score`. The plain way reads the whole table with `pd.read_parquet` and asks the model's
`predict_proba` once. Both take turns, each run in a process of its own; medians are reported.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from tqdm import tqdm

from benchmarks.results import write_result
from benchmarks.score_table import make_bundle, write_table

SEED = 20260101
SAMPLE_SECONDS = 0.05
Figures = dict[str, float]


def commands(place: Path) -> dict[str, list[str]]:
    """What is measured; each writes its answers to a file of the same name."""
    python, table, bundle = sys.executable, str(place / "table.parquet"), str(place / "bundle")
    ours = [python, "-m", "pipeline.score", "--bundle", bundle, "--input", table, "--output"]
    plain = [python, "-m", "benchmarks.score_plain", bundle, table]
    return {
        "pipeline.score": [*ours, str(place / "pipeline.score.parquet"), "--restart"],
        "pipeline.score --processes 1": [
            *ours, str(place / "one.parquet"), "--restart", "--processes", "1",
        ],
        "plain pandas and scikit-learn": [*plain, str(place / "plain.parquet")],
    }  # fmt: skip


def measure(command: Sequence[str], directory: Path = Path()) -> Figures:
    """Seconds of a command, those of processors, and the most memory (MB) that all of its
    processes held together."""
    started, before = time.perf_counter(), _processor_seconds()
    with subprocess.Popen(
        command, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        peak = [0.0]
        watcher = threading.Thread(target=_watch, args=(process.pid, peak))
        watcher.start()
        said = process.communicate()[1]
    seconds = time.perf_counter() - started
    watcher.join()
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} failed: {said.decode()[-1000:]}")
    spent = _processor_seconds() - before
    return {"seconds": seconds, "cpu_seconds": spent, "peak_mb": peak[0]}


def _processor_seconds() -> float:
    """Of all children so far and theirs: what a shared machine does not change."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _watch(pid: int, peak: list[float]) -> None:
    """Unique memory of a process and its children, so that shared pages count once."""
    try:
        while True:
            own = psutil.Process(pid)
            family = [own, *own.children(recursive=True)]
            peak[0] = max(peak[0], sum(_megabytes(each) for each in family))
            time.sleep(SAMPLE_SECONDS)
    except psutil.NoSuchProcess:
        return


def _megabytes(process: psutil.Process) -> float:
    try:
        return float(process.memory_full_info().pss) / 2**20
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return 0.0


def as_table(results: dict[str, Figures]) -> str:
    """Markdown, one row per system."""
    lines = [
        "| system | million rows a minute | seconds | CPU seconds | peak MB |",
        "|---|---|---|---|---|",
    ]
    for name, figures in results.items():
        minute = figures["rows_per_second"] * 60 / 1e6
        lines.append(
            f"| {name} | {minute:.1f} | {figures['seconds']:.1f} | {figures['cpu_seconds']:.1f} "
            f"| {figures['peak_mb']:,.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.score", description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    rng = np.random.default_rng(SEED)
    with tempfile.TemporaryDirectory(dir="var" if Path("var").is_dir() else None) as name:
        place = Path(name)
        make_bundle(place / "bundle", rng)
        write_table(place / "table.parquet", arguments.rows, rng)
        runs: dict[str, list[Figures]] = {name: [] for name in commands(place)}
        with tqdm(total=arguments.rounds * len(runs), unit="run", desc="bench") as bar:
            for _ in range(arguments.rounds):
                for system, command in commands(place).items():
                    runs[system].append(measure(command))
                    bar.update()
    results = {system: _median(found, arguments.rows) for system, found in runs.items()}
    print(as_table(results))
    figures: dict[str, Any] = {"rows": arguments.rows, "systems": results}
    print(f"figures: {write_result('score', figures)}")


def _median(runs: list[Figures], rows: int) -> Figures:
    middle = {k: statistics.median(run[k] for run in runs) for k in ("seconds", "cpu_seconds")}
    peak = max(run["peak_mb"] for run in runs)
    return {**middle, "rows_per_second": rows / middle["seconds"], "peak_mb": peak}


if __name__ == "__main__":
    main()
