"""`make faults`: inject faults into the real service and count what it lost.

A client with its own fsynced ledger asks all the while; afterwards both ledgers are compared.
Results: benchmarks/results/faults.json, one entry a fault, kept after each.
"""

import argparse
import asyncio
import json
import logging
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.faults.catalogue import CONTROLS, FAULTS, trials_of
from benchmarks.faults.place import ServiceDownError
from benchmarks.faults.setting import Setting
from benchmarks.faults.trial import NoRecoveryError
from benchmarks.results import RESULTS, write_result
from tests.bundles import make_bundle

SEED = 20260101
HARM = ("lost", "duplicated", "torn", "mismatched")


def main() -> None:
    arguments = _parser().parse_args()
    logging.getLogger("service").setLevel(logging.CRITICAL)  # its reader meets thousands of faults
    names = arguments.only or [*FAULTS, *CONTROLS]
    with tempfile.TemporaryDirectory(dir="var" if Path("var").is_dir() else None) as name:
        directory = Path(name).resolve()
        bundles = (directory / "a", directory / "b")
        for seed, bundle in enumerate(bundles):
            make_bundle(bundle, seed=seed)
        problems = []
        for fault in tqdm(names, "faults", unit="fault"):
            amount = arguments.trials or trials_of(fault, quick=arguments.quick)
            (directory / fault).mkdir()
            setting = Setting(directory / fault, bundles, amount, arguments.quick,
                              np.random.default_rng(SEED))  # fmt: skip
            problems += _inject(fault, setting) if fault in FAULTS else _control(fault, setting)
    sys.exit("\n".join(problems) if problems else 0)


def _inject(name: str, setting: Setting) -> list[str]:
    """Inject one fault into the service; what is wrong with it."""
    try:
        figures = asyncio.run(FAULTS[name].inject(setting))
    except (NoRecoveryError, ServiceDownError) as error:
        return [f"{name}: {error}"]
    _tell(name, figures, setting)
    harmed = {kind: figures[kind] for kind in HARM if figures[kind]}
    return [f"{name}: {harmed}"] if harmed else []


def _control(name: str, setting: Setting) -> list[str]:
    """Inject the fault that must find a seeded bug; empty if it did."""
    control = CONTROLS[name]
    module = ("benchmarks.faults.seeded", control.bug)
    try:
        figures = asyncio.run(FAULTS[control.fault].inject(replace(setting, module=module)))
    except NoRecoveryError as error:
        _tell(name, {"fault": control.fault, "found": str(error)}, setting)
        return []
    harmed = {kind: figures[kind] for kind in HARM if figures[kind]}
    figures = {"fault": control.fault, "trials": figures["trials"], "found": harmed}
    _tell(name, figures, setting)
    return [] if control.harm in harmed else [f"{name}: the suite did not find this bug"]


def _tell(name: str, figures: dict[str, Any], setting: Setting) -> None:
    """Print the figures, and keep those of a run in full."""
    tqdm.write(f"{name}: {json.dumps(figures)}")
    if setting.quick:
        return
    path = RESULTS / "faults.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known.pop("machine", None)
    write_result("faults", {**known, name: figures})


def _parser() -> argparse.ArgumentParser:
    known = [*FAULTS, *CONTROLS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--only", action="append", choices=known, metavar="NAME",
                        help=f"may be given again; one of {', '.join(known)}")  # fmt: skip
    parser.add_argument("--trials", type=int, help="of each fault, instead of its own number")
    parser.add_argument(
        "--quick", action="store_true", help="few trials, short outages, nothing kept"
    )
    return parser


if __name__ == "__main__":
    main()
