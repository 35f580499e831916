"""Lets a champion that has `partial_fit` go on learning: another bundle, from newer outcomes.

`python -m monitoring.update` runs it in a working copy and judges what comes of it. Preparation and
calibration stay as they were trained (docs/adr/0033); the newest rows are held back, to judge.
"""

import argparse
import io
import json
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from contracts.bundle import UPDATE, UPDATES, Bundle, load_bundle, save_bundle
from contracts.bundle_files import FORMAT, GOLDEN, ONNX, BundleError, digest
from contracts.params import Params, ParamsError, load_params
from contracts.schema import BASELINE, FeatureSchema
from contracts.skops_model import learner_of, load_model
from pipeline.cards.update_note import note_update
from pipeline.evaluation.measures import measure
from pipeline.frames import DatasetError, labels, model_frame
from pipeline.golden import shares_block
from pipeline.model_file import dump_model
from pipeline.package import LIBRARIES, convert
from pipeline.prepare import prepare
from pipeline.reference import UNSEEN_ROWS
from pipeline.search import answer_rows

OWN = {"format", "files", "sizes"}  # of a manifest: of the files that it was written with


class UpdateError(ValueError):
    """The bundle cannot go on learning from these rows; the message names the remedy."""


@dataclass(frozen=True)
class Rows:
    """Prepared rows that the bundle has not learned from, oldest first: to learn, and held back."""

    learned: pd.DataFrame
    held: pd.DataFrame


def cut_rows(base: Bundle, snapshot: pd.DataFrame, until: pd.Timestamp, params: Params) -> Rows:
    """Prepare a snapshot of outcomes, and cut it.

    Args:
        until: rows from this moment on are held back.

    Raises:
        UpdateError: params.yaml asks another question than the bundle, or a part is empty.
        DatasetError: as pipeline.prepare.prepare.
    """
    schema = base.schema
    _require_same_question(schema, params)
    frame = _without_golden(base, snapshot, params)
    fresh = frame[frame[schema.timestamp] > pd.Timestamp(base.manifest["trained_until"])]
    before = fresh[schema.timestamp] < until
    learned, held = (fresh[some].reset_index(drop=True) for some in (before, ~before))
    for rows, what in ((learned, "before"), (held, "from")):
        if rows.empty:
            raise UpdateError(f"no outcome {what} {until:%Y-%m-%d} that {base.version} has not "
                              "learned; wait for more")  # fmt: skip
    return Rows(learned, held)


def _without_golden(base: Bundle, snapshot: pd.DataFrame, params: Params) -> pd.DataFrame:
    """Prepared outcomes, but those that share a block with the rows that judge every model."""
    own = params.data.model_copy(update={"golden": None})  # no outcome is golden itself
    frame, _ = prepare([snapshot], params.model_copy(update={"data": own}))
    if GOLDEN not in base.files:
        return frame
    if own.split == "grouped":
        raise UpdateError(
            "the bundle keeps no names of its golden groups, so their outcomes cannot be left out; "
            "retrain"
        )
    golden = pd.read_parquet(io.BytesIO(base.files[GOLDEN]))
    return frame[~shares_block(frame, golden, own)]


def go_on(model: Any, rows: pd.DataFrame, schema: FeatureSchema) -> None:
    """One pass over rows by the model's own `partial_fit`; changes it in place.

    Raises:
        UpdateError: it has none.
    """
    learner = learner_of(model)
    if not hasattr(learner, "partial_fit"):
        raise UpdateError(
            f"a {type(learner).__name__} has no partial_fit; put `sgd` among train.candidates"
        )
    columns = model.named_steps["columns"].transform(model_frame(rows, schema))
    learner.partial_fit(columns, labels(rows, schema))


def make_update(
    base: Bundle, snapshot: bytes, until: pd.Timestamp, params: Params
) -> tuple[dict[str, bytes], dict[str, Any], pd.DataFrame]:
    """The files of a bundle, what its manifest says, and the hold-out frame that judges it.

    Args:
        base: as it was trained or updated, not recalibrated.
        snapshot: parquet, as monitoring writes it.

    Raises:
        UpdateError, DatasetError: as cut_rows and go_on; the bundle is of an older format.
    """
    if base.manifest["format"] != FORMAT:
        raise UpdateError(f"the bundle has format {base.manifest['format']}; retrain first")
    schema = base.schema
    rows = cut_rows(base, pd.read_parquet(io.BytesIO(snapshot)), until, params)
    model = load_model(base.files["model.skops"])
    go_on(model, rows.learned, schema)
    holdout = _answered(model, rows.held, base)
    metrics = measure(holdout, schema, params, np.random.default_rng(params.train.seed))
    proof = pd.concat([rows.learned, rows.held]).tail(params.package.parity_rows)
    serving = convert(model, schema, proof, params)
    facts = _facts(base, rows, snapshot)
    reference, unseen = _references(base, holdout, params)
    files = {
        **base.files,
        **note_update(base.files, base.version, facts[UPDATE], metrics),
        "model.skops": dump_model(model),
        "reference.parquet": reference.to_parquet(),
        "unseen.parquet": unseen.to_parquet(),
        "metrics.json": (json.dumps(metrics, indent=1) + "\n").encode(),
    }
    files.pop(ONNX, None)
    return files | ({ONNX: serving.onnx} if serving.onnx else {}), facts, holdout


def _require_same_question(schema: FeatureSchema, params: Params) -> None:
    asked = [(name, f.kind, f.nullable) for name, f in params.features.items()]
    known = [(f.name, f.kind, f.nullable) for f in schema.features]
    data, target = params.data, schema.target
    same = (data.target, tuple(data.classes), data.task, data.time_column)
    if asked != known or same != (target.name, target.classes, target.task, schema.timestamp):
        raise UpdateError(
            "params.yaml asks for other features or another target than the champion answers; "
            "an update cannot learn those: retrain"
        )


def _answered(model: Any, held: pd.DataFrame, base: Bundle) -> pd.DataFrame:
    """The held-back rows with schema.answers, and BASELINE as in pipeline.evaluate."""
    schema = base.schema
    answers = answer_rows(model, model_frame(held, schema), schema)
    columns: dict[str, Any] = dict(zip(schema.answers, answers.T, strict=True))
    known = labels(pd.read_parquet(io.BytesIO(base.files["unseen.parquet"])), schema)
    if schema.target.task == "regression":
        shares = [float(np.median(known))]
    else:
        shares = (np.bincount(known, minlength=len(schema.target.classes)) / len(known)).tolist()
    for output, share in zip(schema.target.outputs, shares, strict=True):
        columns[BASELINE + output] = share
    return pd.concat([held, pd.DataFrame(columns, index=held.index)], axis=1)


def _references(
    base: Bundle, holdout: pd.DataFrame, params: Params
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The base's samples with the held-back rows, which this model has not learned from either."""
    rng = np.random.default_rng(params.train.seed)
    sizes = {"reference.parquet": params.package.reference_rows, "unseen.parquet": UNSEEN_ROWS}
    found = []
    for name, most in sizes.items():
        before = pd.read_parquet(io.BytesIO(base.files[name]))
        added = holdout[before.columns].astype(before.dtypes.to_dict())
        both = pd.concat([before, added], ignore_index=True)
        picked = np.sort(rng.permutation(len(both))[:most])
        found.append(both.iloc[picked].reset_index(drop=True))
    return found[0], found[1]


def _facts(base: Bundle, rows: Rows, snapshot: bytes) -> dict[str, Any]:
    """What the manifest says; `data`, `params` and `lock` are of the training long ago."""
    times = rows.learned[base.schema.timestamp]
    return {
        **{name: value for name, value in base.manifest.items() if name not in OWN},
        UPDATES: base.version,
        UPDATE: {
            "rows": len(rows.learned),
            "from": times.min().isoformat(),
            "until": times.max().isoformat(),
            "held_back": len(rows.held),
            "data": digest(snapshot),
        },
        "trained_until": times.max().isoformat(),
        "rows": base.manifest.get("rows", 0) + len(rows.learned),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.update", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--base", type=Path, required=True, help="read: directory of a bundle")
    parser.add_argument("--outcomes", type=Path, required=True, help="read: parquet")
    parser.add_argument("--until", type=pd.Timestamp, required=True, metavar="MOMENT",
                        help="with its zone; later rows are held back")  # fmt: skip
    parser.add_argument("--bundle", type=Path, required=True, help="written: directory")
    parser.add_argument("--holdout", type=Path, required=True, help="written: parquet")
    arguments = parser.parse_args()
    try:
        base, params = load_bundle(arguments.base), load_params(arguments.params)
        files, facts, holdout = make_update(
            base, arguments.outcomes.read_bytes(), arguments.until, params
        )
    except (BundleError, DatasetError, ParamsError, UpdateError) as error:
        sys.exit(f"update: {error}")
    save_bundle(arguments.bundle, files, facts)
    holdout.to_parquet(arguments.holdout)


if __name__ == "__main__":
    main()
