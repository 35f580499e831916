"""How often the drift check alarms for nothing, and how soon for something: `make bench-drift`.

Beside Evidently's defaults on the same windows. The windows without a change are independent rows,
random days of January to March, and columns of categories; the changes are put into copies.
"""

import argparse
import multiprocessing
import re
import sys
import time
from collections.abc import Iterator

from tqdm import tqdm

from benchmarks.drift.data import PREPARED
from benchmarks.drift.figures import missing_parts, put_together, read_figures
from benchmarks.drift.measure import Outcome, Work, all_kinds, judge_work
from benchmarks.drift.tables import as_tables, missed
from benchmarks.results import write_result

PROCESSES = 2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--windows", type=int, default=1000, help="without a change, of each kind")
    parser.add_argument("--changed", type=int, default=40, help="with a change, of each kind")
    parser.add_argument("--beside", type=int, default=20, help="of them, for Evidently too")
    parser.add_argument("--only", default="", help="kinds that match this; others stay as they are")
    parser.add_argument("--minutes", type=float, default=120, help="then stop, with fewer windows")
    arguments = parser.parse_args()
    if not PREPARED.exists():
        sys.exit("no prepared table; `dvc repro` first")
    kinds = [kind for name, kind in all_kinds().items() if re.search(arguments.only, name)]
    work = [
        (kind.name, number, number < (arguments.beside // 5 if kind.shift else arguments.beside))
        for number in range(max(arguments.windows, arguments.changed))
        for kind in kinds
        if number < (arguments.changed if kind.shift else arguments.windows)
    ]
    found: dict[str, list[Outcome]] = {kind.name: [] for kind in kinds}
    until = time.monotonic() + 60 * arguments.minutes
    for name, outcome in tqdm(_judged(work), total=len(work), desc="drift", unit="window"):
        found[name].append(outcome)
        if time.monotonic() > until:
            break
    figures = put_together(kinds, found, read_figures() if arguments.only else {})
    print(as_tables(figures))
    print(f"figures: {write_result('bench-drift', figures)}")
    if bars := [*missing_parts(figures), *missed(figures)]:
        sys.exit("missed: " + "; ".join(bars))


def _judged(work: list[Work]) -> Iterator[tuple[str, Outcome]]:
    """What is said of each window, in any order."""
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        yield from pool.imap_unordered(judge_work, work, chunksize=5)


if __name__ == "__main__":
    main()
