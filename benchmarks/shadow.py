"""What a shadow costs the callers: /predict with and without one, taking turns, under wrk.

A second version with the same model is the shadow. Full = as many requests as go through; paced =
every connection waits between its requests, so that the processor is not the limit.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select
from tqdm import tqdm

from benchmarks.results import write_result
from benchmarks.serving.load import Figures, load, require_wrk
from benchmarks.serving.measure import median
from benchmarks.serving.systems import System, service, wait_for
from contracts.bundle import load_bundle, save_bundle
from contracts.bundle_files import BundleError
from contracts.database import make_engine, write_transaction
from contracts.registry import register
from contracts.tables import predictions, shadow_predictions
from contracts.traffic import Rule
from contracts.traffic_rules import change_traffic, check_traffic
from deploy.local import BUNDLE

CONNECTIONS = 16
PAUSES_MS = {"full": 0, "paced": 8}
SETTLE_SECONDS = 1
DRAIN_SECONDS = 3


def register_twin(engine: Engine, directory: Path) -> str:
    """A second version of the trained bundle: the same files under another manifest."""
    bundle = load_bundle(BUNDLE)
    facts = {k: v for k, v in bundle.manifest.items() if k not in ("format", "files", "sizes")}
    save_bundle(directory / "twin", bundle.files, {**facts, "twin": True})
    return register(engine, directory / "bundles", directory / "twin", datetime.now(UTC), {})


def put(engine: Engine, bundles: Path, rule: Rule) -> None:
    """Put a rule in force."""
    with engine.connect() as connection:
        checked = check_traffic(connection, bundles, rule)
    with write_transaction(engine) as connection:
        change_traffic(connection, checked, actor="bench", reason="bench", now=datetime.now(UTC))


def take_turns(
    system: System, engine: Engine, directory: Path, rounds: int, seconds: int
) -> dict[str, dict[str, list[Figures]]]:
    """Figures of every run, by pace and mode; the first second after a change is not measured."""
    rules = {"champion": Rule(), "shadow": Rule("shadow", register_twin(engine, directory))}
    runs: dict[str, dict[str, list[Figures]]] = {
        pace: {mode: [] for mode in rules} for pace in PAUSES_MS
    }
    turns = [(pace, mode) for _ in range(rounds) for pace in PAUSES_MS for mode in rules]
    for pace, mode in tqdm(turns, unit="run"):
        put(engine, directory / "bundles", rules[mode])
        settling, figures = (
            load(system.url, system.body, CONNECTIONS, duration,
                 headers=system.headers, pause_ms=PAUSES_MS[pace])
            for duration in (SETTLE_SECONDS, seconds)
        )  # fmt: skip
        runs[pace][mode].append({**figures, "settling": settling["requests"]})
    time.sleep(DRAIN_SECONDS)  # what the shadow is asked late
    return runs


def compare(runs: Mapping[str, list[Figures]]) -> dict[str, Any]:
    """Medians of both modes, shadow divided by champion, and the same of each pair of runs."""
    found = {mode: median(figures) for mode, figures in runs.items()}
    ratio = {name: round(found["shadow"][name] / found["champion"][name], 3)
             for name in ("rps", "p50_ms", "p99_ms")}  # fmt: skip
    pairs = zip(runs["champion"], runs["shadow"], strict=True)
    spread = [round(shadow["p99_ms"] / champion["p99_ms"], 3) for champion, shadow in pairs]
    return {**found, "ratio": ratio, "p99_ratio_of_rounds": sorted(spread)}


def count(engine: Engine) -> dict[str, int]:
    """Rows of both tables."""
    with engine.connect() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (predictions, shadow_predictions)
        }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shadow", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of each run")
    arguments = parser.parse_args()
    require_wrk()
    try:
        row = load_bundle(BUNDLE).schema.example()
    except BundleError as error:
        sys.exit(f"{error}; train one first: dvc repro")
    with tempfile.TemporaryDirectory() as name, service(Path(name), row) as system:
        wait_for(system)
        engine = make_engine(system.database_url)
        runs = take_turns(system, engine, Path(name), arguments.rounds, arguments.seconds)
        figures = {pace: compare(by_mode) for pace, by_mode in runs.items()}
        asked = sum(
            run["requests"] + run["settling"]
            for by_mode in runs.values()
            for run in by_mode["shadow"]
        )
        figures["rows"] = {"asked": asked, **count(engine)}
        path = write_result("shadow", figures)
        engine.dispose()
    print(json.dumps(figures, indent=1), path, sep="\n")


if __name__ == "__main__":
    main()
