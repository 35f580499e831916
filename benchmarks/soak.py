"""The service at half of its top rate for half an hour: does its memory grow, does anything fail?

`make soak`, or MINUTES=5 for less. Paced connections of wrk ask for one row each; resident memory
is sampled meanwhile, and a line is laid through what comes after the warm-up. Every row stays in
the ledger, so half an hour takes some gigabytes of disk, which are given back at the end.
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.results import write_result
from benchmarks.serving.load import Figures, load, require_wrk
from benchmarks.serving.measure import rss_bytes
from benchmarks.serving.systems import DidNotStartError, System, count_rows, service, wait_for
from contracts.bundle import load_bundle
from deploy.local import BUNDLE, StackError, train

TOP_CONNECTIONS, TOP_SECONDS = 64, 10
TRIAL_SECONDS = 5
MARGIN = 1.05  # over half of the top rate, which changes as a shared machine does
# Many that wait long: the time of an answer then hardly changes their pace.
PACED_CONNECTIONS = 128
SAMPLE_SECONDS = 5
WARM_UP = 1 / 6  # of the whole time
MAX_SLOPE = 1.0  # MB a minute
ROW_BYTES = 600  # on disk, with its indices, generously


class NoRoomError(RuntimeError):
    """The disk cannot take the ledger of so many minutes."""

    def __init__(self, needed: float, free: float) -> None:
        super().__init__(
            f"the ledger may take {needed / 1e9:.0f} GB, {free / 1e9:.0f} GB are free; "
            "ask for fewer --minutes, or set TMPDIR"
        )


def find_pause(rate: float, rate_with: Callable[[int], float]) -> int:
    """Milliseconds that each of PACED_CONNECTIONS waits, for at least `rate` requests/s together.

    Tried out, not computed: how long an answer takes depends on how they come.
    """
    longest = int(PACED_CONNECTIONS / rate * 1000)
    tried = range(longest, 0, -1)
    return next((pause for pause in tried if rate_with(pause) >= MARGIN * rate), 1)


def slope_of(samples: list[tuple[float, float]]) -> float:
    """MB a minute, by least squares through (seconds, MB) after the warm-up."""
    last = samples[-1][0]
    seconds, megabytes = np.array([one for one in samples if one[0] >= WARM_UP * last]).T
    return float(np.polyfit(seconds / 60, megabytes, 1)[0])


def sample(system: System, loading: "Future[Figures]", seconds: float) -> list[tuple[float, float]]:
    """(seconds, MB) of resident memory until the load has ended."""
    start = time.monotonic()
    samples: list[tuple[float, float]] = []
    with tqdm(total=round(seconds), unit="s", desc="soak") as bar:
        while not loading.done():
            samples.append((time.monotonic() - start, rss_bytes(system) / 1e6))
            time.sleep(SAMPLE_SECONDS)
            bar.update(SAMPLE_SECONDS)
    return samples


def soak(directory: Path, seconds: int) -> dict[str, Any]:
    """Find the top rate, then keep half of it; the figures.

    Raises:
        DidNotStartError, NoRoomError: nothing was measured.
    """
    row = load_bundle(BUNDLE).schema.example()
    with service(directory, row) as system, ThreadPoolExecutor(1) as pool:
        wait_for(system)
        top = load(system.url, system.body, TOP_CONNECTIONS, TOP_SECONDS, headers=system.headers)
        rate = top["rps"] / 2
        _require_room(directory, rate * seconds * ROW_BYTES)
        paced = partial(load, system.url, system.body, PACED_CONNECTIONS, headers=system.headers)
        trials: list[Figures] = []

        def rate_with(pause_ms: int) -> float:
            trials.append(paced(TRIAL_SECONDS, pause_ms=pause_ms))
            return trials[-1]["rps"]

        pause_ms = find_pause(rate, rate_with)
        loading = pool.submit(paced, seconds, pause_ms=pause_ms)
        samples = sample(system, loading, seconds)
        found = loading.result()
        logged = count_rows(system)
    slope = slope_of(samples)
    answered = sum(each["requests"] for each in (top, *trials, found))
    return {
        "minutes": seconds / 60,
        "top_rps": top["rps"],
        **found,
        "rows": {"answered": answered, "logged": logged},
        "slope_mb_per_minute": slope,
        "passed": slope < MAX_SLOPE and not found["errors"] and logged >= answered,
        "rss_mb": samples,
    }


def _require_room(directory: Path, needed: float) -> None:
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise NoRoomError(needed, free)


def as_text(figures: dict[str, Any]) -> str:
    """One sentence for people and for docs/benchmarks.md."""
    first, last = figures["rss_mb"][0][1], figures["rss_mb"][-1][1]
    return (
        f"{figures['minutes']:.0f} minutes at {figures['rps']:,.0f} requests/s (top "
        f"{figures['top_rps']:,.0f}): {figures['requests']:,.0f} answers, "
        f"{figures['errors']:.0f} errors; memory from {first:.0f} to {last:.0f} MB, "
        f"{figures['slope_mb_per_minute']:+.3f} MB a minute after the warm-up (bar: below "
        f"{MAX_SLOPE:g}); p50 {figures['p50_ms']:.2f} ms, p99 {figures['p99_ms']:.2f} ms."
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--trained", action="store_true", help="take build/bundle as it is")
    arguments = parser.parse_args()
    require_wrk()
    try:
        if not arguments.trained:
            train()
        with tempfile.TemporaryDirectory(prefix="perennial-soak-") as directory:
            figures = soak(Path(directory), round(arguments.minutes * 60))
    except (StackError, DidNotStartError, NoRoomError) as error:
        sys.exit(f"soak: {error}")
    print(as_text(figures))
    print(f"figures: {write_result('soak', figures)}")
    sys.exit(not figures["passed"])


if __name__ == "__main__":
    main()
