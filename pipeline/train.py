"""Stage 3: choose a model by search on older rows, then fit the choice on every row."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import precision_recall_curve
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import Pipeline
from tqdm import tqdm

from contracts.params import Params, Train, load_params
from contracts.schema import FeatureSchema
from pipeline.candidates import build_calibrated
from pipeline.frames import holdout_start, is_positive, model_frame, read_prepared
from pipeline.model_file import dump_model
from pipeline.search import Chosen, search


def choose(
    frame: pd.DataFrame, schema: FeatureSchema, params: Params
) -> tuple[Chosen, float, pd.DataFrame]:
    """Search on the newest rows before the held-out days, which stay unseen by every choice.

    Args:
        frame: prepared rows, oldest first.

    Returns:
        The chosen candidate, its decision threshold, the table of draws.
    """
    start = holdout_start(frame[params.data.timestamp], params.evaluate.holdout_days)
    older = frame[frame[params.data.timestamp] < start].tail(params.train.search.max_rows)
    features, target = model_frame(older, schema), is_positive(older, params.data)
    chosen, results = search(features, target, schema, params.train)
    return chosen, _best_threshold(chosen, features, target, schema, params.train), results


def fit(chosen: Chosen, frame: pd.DataFrame, schema: FeatureSchema, params: Params) -> Pipeline:
    """Fit the chosen candidate, calibrated, on prepared rows."""
    model = build_calibrated(chosen.candidate, schema, params.train, chosen.values)
    fitted: Pipeline = model.fit(model_frame(frame, schema), is_positive(frame, params.data))
    return fitted


def _best_threshold(
    chosen: Chosen, frame: pd.DataFrame, target: np.ndarray, schema: FeatureSchema, train: Train
) -> float:
    """The threshold of largest F1 over rows that each fold's model has not seen, 3 decimals."""
    answers, scores = [], []
    folds = TimeSeriesSplit(train.search.folds)
    for past, future in tqdm(folds.split(frame), "threshold", train.search.folds, unit="fit"):
        model = build_calibrated(chosen.candidate, schema, train, chosen.values)
        model.fit(frame.iloc[past], target[past])
        scores.append(model.predict_proba(frame.iloc[future])[:, 1])
        answers.append(target[future])
    precision, recall, thresholds = precision_recall_curve(
        np.concatenate(answers), np.concatenate(scores)
    )
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return round(float(thresholds[np.argmax(f1[:-1])]), 3)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.train", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--prepared", type=Path, required=True, help="read: parquet")
    parser.add_argument("--schema", type=Path, required=True, help="read: JSON")
    parser.add_argument("--model", type=Path, required=True, help="written: skops")
    parser.add_argument("--chosen", type=Path, required=True, help="written: JSON")
    parser.add_argument("--search", type=Path, required=True, help="written: CSV, one row a draw")
    arguments = parser.parse_args()
    params = load_params(arguments.params)
    frame = read_prepared(arguments.prepared)
    schema = FeatureSchema.from_json(arguments.schema.read_bytes())
    chosen, threshold, results = choose(frame, schema, params)
    arguments.model.write_bytes(dump_model(fit(chosen, frame, schema, params)))
    choice = {**asdict(chosen), "threshold": threshold}
    arguments.chosen.write_text(json.dumps(choice, indent=1) + "\n")
    results.assign(values=results["values"].map(json.dumps)).to_csv(arguments.search, index=False)


if __name__ == "__main__":
    main()
