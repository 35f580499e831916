"""`make faults`: inject faults into the real service and count what it lost.

A client with its own fsynced ledger asks all the while; afterwards both ledgers are compared.
Results: benchmarks/results/faults.json, one entry a fault, kept after each.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from benchmarks.faults.catalogue import FAULTS, Fault, Setting
from benchmarks.faults.place import ServiceDownError
from benchmarks.faults.trial import NoRecoveryError
from benchmarks.results import RESULTS, write_result
from tests.bundles import make_bundle

SEED = 20260101


def main() -> None:
    arguments = _parser().parse_args()
    names = arguments.only or list(FAULTS)
    with tempfile.TemporaryDirectory(dir="var" if Path("var").is_dir() else None) as name:
        directory = Path(name).resolve()
        bundles = (directory / "a", directory / "b")
        for seed, bundle in enumerate(bundles):
            make_bundle(bundle, seed=seed)
        found = 0
        for fault in tqdm(names, "faults", unit="fault"):
            trials = arguments.trials or FAULTS[fault].trials(quick=arguments.quick)
            place = directory / fault
            place.mkdir()
            setting = Setting(place, bundles, trials, arguments.quick, np.random.default_rng(SEED))
            found += _run(fault, FAULTS[fault], setting)
    sys.exit(f"{found} rows lost, duplicated, torn or mismatched" if found else 0)


def _run(name: str, fault: Fault, setting: Setting) -> int:
    """Inject one fault; how many rows it has harmed."""
    try:
        figures = asyncio.run(fault.inject(setting))
    except (NoRecoveryError, ServiceDownError) as error:
        sys.exit(f"{name}: {error}")
    _keep(name, figures)
    tqdm.write(f"{name}: {json.dumps(figures)}")
    return sum(figures[kind] for kind in ("lost", "duplicated", "torn", "mismatched"))


def _keep(name: str, figures: dict[str, object]) -> None:
    path = RESULTS / "faults.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known.pop("machine", None)
    write_result("faults", {**known, name: figures})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--only", action="append", choices=list(FAULTS), metavar="NAME",
                        help=f"may be given again; one of {', '.join(FAULTS)}")  # fmt: skip
    parser.add_argument("--trials", type=int, help="of each fault, instead of its own number")
    parser.add_argument("--quick", action="store_true", help="few trials and short outages")
    return parser


if __name__ == "__main__":
    main()
