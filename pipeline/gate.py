"""Last stage: whether the bundle may leave the pipeline; fails when it breaks a rule of `gates`."""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from contracts.bundle import Bundle, Model, load_bundle
from contracts.bundle_files import BundleError
from contracts.params import Params, ParamsError, load_params
from contracts.schema import FeatureSchema, SchemaError
from pipeline.evaluation.comparison import Comparison, IncomparableError, compare, find_champion
from pipeline.evaluation.gate_rules import Evidence, Ruling, judge, verdict
from pipeline.frames import DatasetError

WARM_UP, CALLS = 20, 200


def gather(
    bundle: Bundle, size: int, holdout: pd.DataFrame, champion: Bundle | None, params: Params
) -> Evidence:
    """Measure what the rules that params.yaml sets look at.

    Raises:
        BundleError: this process lacks libraries of a model.
        DatasetError: the hold-out frame cannot be judged.
    """
    schema = bundle.schema
    latency = None if params.gates.latency_ms is None else measure_latency(bundle.model(), schema)
    found = _compare(holdout, schema, champion, params)
    return Evidence(schema, bundle.metrics, found, latency, size)


def measure_latency(model: Model, schema: FeatureSchema) -> float:
    """Median milliseconds of CALLS answers to the schema's example row, after a warm-up."""
    row = {name: [value] for name, value in schema.example().items()}
    durations = []
    for _ in tqdm(range(WARM_UP + CALLS), "latency", unit="row"):
        started = time.perf_counter()
        model.answers_of(row)
        durations.append(time.perf_counter() - started)
    return float(np.median(durations[WARM_UP:]) * 1000)


def _compare(
    holdout: pd.DataFrame, schema: FeatureSchema, champion: Bundle | None, params: Params
) -> Comparison | str:
    if params.gates.champion_loss is None and params.gates.segment_loss is None:
        return "no rule compares with the champion"
    try:
        return compare(holdout, schema, champion, params.data)
    except IncomparableError as reason:
        return str(reason)


def _run(arguments: argparse.Namespace) -> tuple[list[Ruling], float | None]:
    params = load_params(arguments.params)
    bundle = load_bundle(arguments.bundle)
    size = sum(path.stat().st_size for path in arguments.bundle.iterdir())
    holdout = pd.read_parquet(arguments.holdout)
    champion = find_champion(arguments.champion)
    evidence = gather(bundle, size, holdout, champion, params)
    return judge(evidence, params.gates), evidence.latency_ms


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.gate", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--bundle", type=Path, required=True, help="read: directory")
    parser.add_argument("--holdout", type=Path, required=True, help="read: parquet")
    parser.add_argument(
        "--champion",
        type=Path,
        required=True,
        help="read: directory with the bundle to compare with, or an empty one",
    )
    parser.add_argument("--verdict", type=Path, required=True, help="written: JSON")
    arguments = parser.parse_args()
    try:
        rulings, latency = _run(arguments)
    except (BundleError, DatasetError, ParamsError, SchemaError, OSError) as error:
        sys.exit(str(error))
    text = json.dumps(verdict(rulings), indent=1, ensure_ascii=False, allow_nan=False)
    arguments.verdict.write_text(text + "\n", encoding="utf-8")
    if latency is not None:  # differs from run to run, so it stays out of the verdict
        sys.stderr.write(f"one row is answered in {latency:.3f} ms (median of {CALLS})\n")
    failed = [f"gates.{r.rule} is not met: {r.reason}" for r in rulings if not r.passed]
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
