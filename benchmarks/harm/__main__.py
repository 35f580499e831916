"""Does a change hurt? What a check says of 28 scenarios, beside Evidently: `make bench-harm`.

Truth is the model's own loss on the same rows without the change: 0.01 more is harmful. What
is reported, kinds of changes and months, chose no setting.
"""

import argparse
import multiprocessing
import sys

from tqdm import tqdm

from benchmarks.harm.scenarios import SCENARIOS
from benchmarks.harm.tables import as_tables, missed, summarise
from benchmarks.harm.trials import BUNDLE, judge_work
from benchmarks.results import write_result
from contracts.bundle import load_bundle
from contracts.bundle_files import BundleError

PROCESSES = 2


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.harm", description=__doc__)
    parser.add_argument("--draws", type=int, default=20, help="of each scenario")
    parser.add_argument("--beside", type=int, default=4, help="of them, for Evidently too")
    arguments = parser.parse_args()
    try:
        load_bundle(BUNDLE)
    except BundleError as error:
        sys.exit(f"{error}; `dvc repro` first")
    work = [
        (number, draw, draw < arguments.beside)
        for number in range(len(SCENARIOS))
        for draw in range(arguments.draws)
    ]
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        judged = pool.imap(judge_work, work, chunksize=4)
        found = list(tqdm(judged, total=len(work), desc="harm", unit="window"))
    summary = summarise(found)
    figures = {"summary": summary, "trials": found}
    print(as_tables(figures))
    print(f"figures: {write_result('bench-harm', figures)}")
    if bars := missed(summary):
        sys.exit("missed: " + "; ".join(bars))


if __name__ == "__main__":
    main()
