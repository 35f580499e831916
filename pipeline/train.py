"""Stage: choose a model by search on rows that are not held out, then fit the choice on all."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from tqdm import tqdm

from contracts.losses import row_losses
from contracts.params import Params, ParamsError, load_params
from contracts.schema import FeatureSchema
from pipeline.candidates import build_calibrated
from pipeline.cluster import ClusterError
from pipeline.evaluation.margins import choose_margin
from pipeline.evaluation.thresholds import choose_threshold
from pipeline.frames import DatasetError, labels, model_frame, read_prepared
from pipeline.model_file import dump_model
from pipeline.search import Chosen, Folds, answer_rows, search
from pipeline.splits import holdout_rows, search_folds

DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class Choice:
    """What training decided: the recipe, and how its answers are used.

    Attributes:
        threshold: of a binary model.
        margin: of a regression, half of the width of its intervals.
        losses: of each calibration that was tried, on rows that no fit had seen.
    """

    recipe: Chosen
    threshold: float
    margin: float | None
    losses: dict[str, float]


def choose(
    frame: pd.DataFrame, schema: FeatureSchema, params: Params
) -> tuple[Choice, pd.DataFrame]:
    """Search on rows that are not held out, which stay unseen by every choice.

    Args:
        frame: prepared rows, oldest first.

    Returns:
        The choice, and the table of draws.
    """
    seen = frame[~holdout_rows(frame, schema, params)]
    rows = _at_most(seen, params.train.search.max_rows, params).reset_index(drop=True)
    folds = search_folds(rows, schema, params)
    features, target = model_frame(rows, schema), labels(rows, schema)
    recipe, results = search(features, target, schema, params, folds)
    return _calibrate(recipe, features, target, schema, params, folds), results


def fit(chosen: Chosen, frame: pd.DataFrame, schema: FeatureSchema, params: Params) -> Pipeline:
    """Fit the chosen candidate on prepared rows, at most the newest `train.max_rows`."""
    rows = _at_most(frame, params.train.max_rows or len(frame), params)
    model = build_calibrated(chosen.candidate, schema, params, chosen.values, chosen.calibration)
    fitted: Pipeline = model.fit(model_frame(rows, schema), labels(rows, schema))
    return fitted


def _at_most(frame: pd.DataFrame, rows: int, params: Params) -> pd.DataFrame:
    """The newest rows, or random ones where the table has no time; in their order."""
    if params.data.split == "time" or len(frame) <= rows:
        return frame.tail(rows)
    picked = np.random.default_rng(params.train.seed).permutation(len(frame))[:rows]
    return frame.iloc[np.sort(picked)]


def _calibrate(
    recipe: Chosen,
    frame: pd.DataFrame,
    target: np.ndarray,
    schema: FeatureSchema,
    params: Params,
    folds: Folds,
) -> Choice:
    """Judge each way of calibration on rows that each fold's model has not seen; keep the best."""
    ways = ["none"] if schema.target.task == "regression" else params.train.calibration
    tried = {}
    with tqdm(total=len(ways) * len(folds), desc="calibration", unit="fit") as bar:
        for way in ways:
            recipe = replace(recipe, calibration=way)
            tried[way] = _out_of_fold(recipe, frame, target, schema, params, folds, bar.update)
    losses = {
        way: float(row_losses(schema.target.task, truths, answers).mean())
        for way, (truths, answers) in tried.items()
    }
    best = min(losses, key=lambda way: losses[way])
    truths, answers = tried[best]
    threshold, margin = DEFAULT_THRESHOLD, None
    if schema.target.task == "binary":
        threshold = choose_threshold(truths, answers[:, 1], params.evaluate.cost)
    if schema.target.task == "regression":
        margin = choose_margin(truths, answers[:, 0], params.evaluate.coverage)
    return Choice(replace(recipe, calibration=best), threshold, margin, losses)


def _out_of_fold(
    recipe: Chosen,
    frame: pd.DataFrame,
    target: np.ndarray,
    schema: FeatureSchema,
    params: Params,
    folds: Folds,
    tick: Callable[[], object],
) -> tuple[np.ndarray, np.ndarray]:
    truths, answers = [], []
    for past, future in folds:
        model = build_calibrated(
            recipe.candidate, schema, params, recipe.values, recipe.calibration
        )
        model.fit(frame.iloc[past], target[past])
        answers.append(answer_rows(model, frame.iloc[future], schema))
        truths.append(target[future])
        tick()
    return np.concatenate(truths), np.concatenate(answers)


def read_choice(path: Path) -> Choice:
    """What `main` wrote."""
    found = json.loads(path.read_text())
    return Choice(Chosen(**found.pop("recipe")), **found)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.train", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--prepared", type=Path, required=True, help="read: parquet")
    parser.add_argument("--schema", type=Path, required=True, help="read: JSON")
    parser.add_argument("--model", type=Path, required=True, help="written: skops")
    parser.add_argument("--chosen", type=Path, required=True, help="written: JSON")
    parser.add_argument("--search", type=Path, required=True, help="written: CSV, one row a draw")
    arguments = parser.parse_args()
    try:
        _run(arguments)
    except (ClusterError, DatasetError, ParamsError) as error:
        sys.exit(f"train: {error}")


def _run(arguments: argparse.Namespace) -> None:
    params = load_params(arguments.params)
    frame = read_prepared(arguments.prepared)
    schema = FeatureSchema.from_json(arguments.schema.read_bytes())
    choice, results = choose(frame, schema, params)
    arguments.model.write_bytes(dump_model(fit(choice.recipe, frame, schema, params)))
    arguments.chosen.write_text(json.dumps(asdict(choice), indent=1) + "\n")
    results.assign(values=results["values"].map(json.dumps)).to_csv(arguments.search, index=False)


if __name__ == "__main__":
    main()
