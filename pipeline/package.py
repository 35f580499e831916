"""Stage 5: everything that serving needs, in one bundle, once ONNX is proven to answer the same."""

import argparse
import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from tqdm import tqdm

from contracts.bundle import digest, save_bundle
from contracts.onnx_model import OnnxModel
from contracts.params import Params, load_params
from contracts.schema import FeatureSchema
from pipeline.frames import read_prepared
from pipeline.model_card import write_model_card
from pipeline.model_file import load_model
from pipeline.onnx_export import prove_parity, to_onnx

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
UPSTREAM = ["ingest", "prepare", "train", "evaluate"]
MODEL_SECTIONS = {"data", "features", "train", "evaluate", "package"}


def sample_reference(
    frame: pd.DataFrame, onnx: OnnxModel, rows: int, rng: np.random.Generator
) -> pd.DataFrame:
    """A random sample of what the model learned from, in order of time, with its `probability`."""
    picked = np.sort(rng.permutation(len(frame))[:rows])
    sample = frame.iloc[picked].reset_index(drop=True)
    return sample.assign(probability=onnx.probability_of(sample))


def describe_origin(frame: pd.DataFrame, data: bytes, params: Params, lock: Path) -> dict[str, Any]:
    """What the manifest says besides file digests; nothing that depends on time or place."""
    times = frame[params.data.timestamp]
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
    rng = np.random.default_rng(params.train.seed)
    frame = read_prepared(paths.prepared)
    chosen = json.loads(paths.chosen.read_text())
    schema = FeatureSchema.from_json(paths.schema.read_bytes()).with_threshold(chosen["threshold"])
    model = load_model(paths.model.read_bytes())
    tick()
    onnx_bytes = to_onnx(model, schema)
    onnx = OnnxModel(onnx_bytes, schema)
    tick()
    newest = frame.tail(params.package.parity_rows)
    parity = prove_parity(model, onnx, newest, params.package.parity_tolerance, rng)
    tick()
    metrics = paths.metrics.read_bytes()
    origin = describe_origin(frame, paths.prepared.read_bytes(), params, paths.lock)
    card = write_model_card(schema, chosen, json.loads(metrics), origin, parity)
    reference = sample_reference(frame, onnx, params.package.reference_rows, rng)
    files = {
        "schema.json": schema.to_json().encode(),
        "model.onnx": onnx_bytes,
        "model.skops": paths.model.read_bytes(),
        "reference.parquet": reference.to_parquet(),
        "metrics.json": metrics,
        "model_card.md": card.encode(),
    }
    return files, origin


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.package", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    for name in ("prepared", "schema", "model", "chosen", "metrics"):
        parser.add_argument(f"--{name}", type=Path, required=True, help="read")
    parser.add_argument("--lock", type=Path, default=Path("dvc.lock"))
    parser.add_argument("--bundle", type=Path, required=True, help="written: directory")
    arguments = parser.parse_args()
    with tqdm(total=4, desc="package", unit="step") as bar:
        files, origin = _assemble(arguments, bar.update)
        save_bundle(arguments.bundle, files, origin)
        bar.update()


if __name__ == "__main__":
    main()
