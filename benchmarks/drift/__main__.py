"""How often the drift check alarms for nothing, and how soon for something: `make bench-drift`.

Beside Evidently's defaults on the same windows. The windows without a change are independent rows,
random days of January to March, and columns of categories; the changes are put into copies.
"""

import argparse
import sys

from tqdm import tqdm

from benchmarks.drift.data import PREPARED
from benchmarks.drift.measure import CATEGORIES, DAYS, SIZES, false_alarms, power
from benchmarks.drift.shifts import ON_FLIGHTS, ON_INDEPENDENT
from benchmarks.drift.tables import as_tables, missed
from benchmarks.results import write_result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--windows", type=int, default=1000, help="without a change, of each kind")
    parser.add_argument("--changed", type=int, default=100, help="with a change, of each kind")
    parser.add_argument("--beside", type=int, default=40, help="of them, for Evidently too")
    arguments = parser.parse_args()
    if not PREPARED.exists():
        sys.exit("no prepared table; `dvc repro` first")
    kinds = len(SIZES) + len(DAYS) + len(CATEGORIES)
    changes = len(ON_INDEPENDENT) + len(ON_FLIGHTS) * len(DAYS)
    total = kinds * arguments.windows + changes * arguments.changed
    with tqdm(total=total, desc="drift", unit="window") as bar:
        beside = min(arguments.beside, arguments.windows)
        quiet = false_alarms(arguments.windows, beside, bar.update)
        changed = power(arguments.changed, min(beside, 10, arguments.changed), bar.update)
    figures = {"false_alarm_rate": quiet, "power": changed}
    print(as_tables(figures))
    print(f"figures: {write_result('bench-drift', figures)}")
    if bars := missed(figures):
        sys.exit("missed: " + "; ".join(bars))


if __name__ == "__main__":
    main()
