"""Stage: everything that serving needs, in one bundle, once ONNX is proven to answer the same."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import yaml
from sklearn.pipeline import Pipeline
from tqdm import tqdm

from contracts.bundle import save_bundle
from contracts.bundle_files import GOLDEN, ONNX, digest
from contracts.onnx_model import OnnxModel
from contracts.params import Params, ParamsError, load_params
from contracts.schema import FeatureSchema
from contracts.skops_model import load_model
from pipeline.cards.facts import CardFacts
from pipeline.cards.model_card import write_html_card, write_model_card
from pipeline.evaluation.comparison import (
    IncomparableError,
    compare,
    find_champion,
    summarise,
)
from pipeline.frames import read_prepared
from pipeline.onnx_export import ParityError, prove_parity, to_onnx
from pipeline.train import read_choice

INPUTS = [
    "prepared", "schema", "model", "chosen", "search", "holdout", "reference", "unseen",
    "golden", "metrics", "segments", "importance", "findings", "champion",
]  # fmt: skip
LIBRARIES = [
    "numpy",
    "onnx",
    "onnxruntime",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "skl2onnx",
    "skops",
]
UPSTREAM = ["ingest", "validate", "prepare", "train", "evaluate", "reference"]
MODEL_SECTIONS = {"data", "features", "validation", "train", "evaluate", "package"}


@dataclass(frozen=True)
class Serving:
    """How the model is served.

    Attributes:
        onnx: bytes of the model; None = from skops, `reason` says why.
        parity: largest difference between ONNX and scikit-learn.
    """

    onnx: bytes | None
    parity: float | None = None
    reason: str | None = None


def convert(model: Pipeline, schema: FeatureSchema, rows: pd.DataFrame, params: Params) -> Serving:
    """ONNX if it provably answers the same on `rows` and hostile ones, otherwise skops."""
    rng = np.random.default_rng(params.train.seed)
    try:
        content = to_onnx(model, schema)
        onnx = OnnxModel(content, schema)
        parity = prove_parity(model, onnx, rows, params.package.parity_tolerance, rng)
    except ParityError as error:
        sys.stderr.write(f"package: served from skops: {error}\n")
        return Serving(None, reason=str(error))
    return Serving(content, parity)


def describe_origin(frame: pd.DataFrame, data: bytes, params: Params, lock: Path) -> dict[str, Any]:
    """What the manifest says besides file digests; nothing that depends on time or place."""
    times = frame[params.data.time_column]
    used = params.model_dump(mode="json", include=MODEL_SECTIONS)
    return {
        "trained_from": times.min().isoformat(),
        "trained_until": times.max().isoformat(),
        "rows": len(frame),
        "libraries": {name: version(name) for name in LIBRARIES},
        "data": digest(data),
        "params": digest(json.dumps(used, sort_keys=True).encode()),
        "lock": _upstream_lock(lock),
    }


def _upstream_lock(path: Path) -> dict[str, Any]:
    """The entries of dvc.lock that led here; DVC writes each one before the next stage starts.

    All that they name is a dependency of this stage in dvc.yaml, so they are never out of date.
    """
    stages = yaml.safe_load(path.read_text())["stages"] if path.exists() else {}
    entries = {name: dict(stages[name]) for name in UPSTREAM if name in stages}
    for entry in entries.values():
        del entry["cmd"]  # paths; no dependency could tell that they changed
    return entries


def _assemble(
    paths: argparse.Namespace, tick: Callable[[], object]
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The bundle's files and what its manifest says of their origin."""
    params = load_params(paths.params)
    frame = read_prepared(paths.prepared)
    choice = read_choice(paths.chosen)
    schema = FeatureSchema.from_json(paths.schema.read_bytes()).with_choice(
        choice.threshold, choice.margin, params.evaluate.coverage
    )
    model = load_model(paths.model.read_bytes())
    tick()
    serving = convert(model, schema, frame.tail(params.package.parity_rows), params)
    tick()
    origin = describe_origin(frame, paths.prepared.read_bytes(), params, paths.lock)
    holdout = pd.read_parquet(paths.holdout)
    facts = CardFacts(
        schema=schema,
        params=params,
        chosen=asdict(choice.recipe),
        metrics=json.loads(paths.metrics.read_bytes()),
        origin=origin,
        holdout=holdout,
        segments=pd.read_csv(paths.segments),
        importance=pd.read_csv(paths.importance),
        search=_read_search(paths.search),
        parity=serving.parity,
        skops_reason=serving.reason or "",
        findings=_read_findings(paths.findings),
        champion=_compare(paths.champion, holdout, schema, params),
    )
    files = {
        "schema.json": schema.to_json().encode(),
        "model.skops": paths.model.read_bytes(),
        "reference.parquet": paths.reference.read_bytes(),
        "unseen.parquet": paths.unseen.read_bytes(),
        "metrics.json": paths.metrics.read_bytes(),
        "model_card.md": write_model_card(facts).encode(),
        "model_card.html": write_html_card(facts).encode(),
    }
    files |= {GOLDEN: golden} if (golden := _golden(paths.golden)) else {}
    return files | ({ONNX: serving.onnx} if serving.onnx else {}), origin


def _golden(path: Path) -> bytes:
    """Empty where no rows were set aside."""
    return path.read_bytes() if pq.read_metadata(path).num_rows else b""


def _compare(
    directory: Path, holdout: pd.DataFrame, schema: FeatureSchema, params: Params
) -> Mapping[str, Any] | None:
    """For the card; None where there is no champion that could answer fairly."""
    champion = find_champion(directory)
    try:
        found = compare(holdout, schema, champion, params.data)
    except IncomparableError:
        return None
    return summarise(found, schema, champion.schema if champion else schema)


def _read_findings(path: Path) -> list[dict[str, Any]]:
    """What a card shows of them."""
    shown = ("rule", "severity", "column", "count", "message")
    found = json.loads(path.read_text())["findings"]
    return [{name: finding[name] for name in shown} for finding in found]


def _read_search(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path)
    return table.assign(values=table["values"].map(json.loads))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.package", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    for name in INPUTS:
        parser.add_argument(f"--{name}", type=Path, required=True, help="read")
    parser.add_argument("--lock", type=Path, default=Path("dvc.lock"))
    parser.add_argument("--bundle", type=Path, required=True, help="written: directory")
    arguments = parser.parse_args()
    try:
        with tqdm(total=3, desc="package", unit="step") as bar:
            files, origin = _assemble(arguments, bar.update)
            save_bundle(arguments.bundle, files, origin)
            bar.update()
    except ParamsError as error:
        sys.exit(f"package: {error}")


if __name__ == "__main__":
    main()
