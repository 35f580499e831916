"""Stage: how good the choice is on held-out rows, each judged by a model that never saw it.

The bundle's model learns from all rows, so it cannot be judged on them. Its recipe can: the
held-out rows are cut into folds, and each is answered by the same recipe fitted on other rows; by
time, on the rows before it (rolling origin). The gate compares these answers with the champion's.
"""

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_curve
from sklearn.pipeline import Pipeline
from tqdm import tqdm

from contracts.model_frame import frame_of
from contracts.params import Params, ParamsError, load_params
from contracts.schema import BASELINE, FeatureSchema
from pipeline.evaluation.importance import permutation_importance
from pipeline.evaluation.measures import measure
from pipeline.evaluation.segments import worst_segments
from pipeline.frames import DatasetError, labels, model_frame, read_prepared
from pipeline.search import Chosen, answer_rows
from pipeline.splits import backtest_folds
from pipeline.train import fit, read_choice

PLOT_POINTS = 200


@dataclass(frozen=True)
class Backtest:
    """What the recipe answered out of sample.

    Attributes:
        holdout: the held-out rows with two more columns for each output: schema.answers, and
            BASELINE + output: the shares of the classes, or the median, among the rows that the
            recipe learned from.
        model: the last fold's.
        unseen: the rows of `holdout` that it judged.
    """

    holdout: pd.DataFrame
    model: Pipeline
    unseen: pd.DataFrame


def backtest(
    frame: pd.DataFrame, schema: FeatureSchema, chosen: Chosen, params: Params
) -> Backtest:
    """Answer the held-out rows by the recipe, each fold fitted on rows that it does not judge."""
    folds = list(backtest_folds(frame, schema, params))
    judged: list[pd.DataFrame] = []
    for past, future in tqdm(folds, "backtest", unit="fit"):
        known, asked = frame.iloc[past], frame.iloc[future]
        model = fit(chosen, known, schema, params)
        answers = answer_rows(model, model_frame(asked, schema), schema)
        columns = dict(zip(schema.answers, answers.T, strict=True))
        columns |= _baseline(known, schema)
        judged.append(pd.concat([asked, pd.DataFrame(columns, index=asked.index)], axis=1))
    found = pd.concat(judged, ignore_index=True)
    found = found.sort_values(schema.timestamp, kind="stable", ignore_index=True)
    return Backtest(found, model, asked)


def importance(tested: Backtest, schema: FeatureSchema, rng: np.random.Generator) -> pd.DataFrame:
    """Permutation importance of the last fold's model on the rows that it judged."""

    def answers(numeric: Any, text: Any) -> Any:
        return answer_rows(tested.model, frame_of(numeric, text, schema), schema)

    return permutation_importance(answers, tested.unseen, schema, rng)


def _baseline(known: pd.DataFrame, schema: FeatureSchema) -> dict[str, float]:
    truths = labels(known, schema)
    if schema.target.task == "regression":
        return {f"{BASELINE}value": float(np.median(truths))}
    shares = np.bincount(truths, minlength=len(schema.target.classes)) / len(truths)
    names = [BASELINE + output for output in schema.target.outputs]
    return dict(zip(names, shares.tolist(), strict=True))


def roc_points(holdout: pd.DataFrame, schema: FeatureSchema) -> pd.DataFrame:
    """ROC curves thinned to PLOT_POINTS points: class, false_positive_rate, true_positive_rate.

    One curve for a binary target, one against the rest for each of many classes, none for numbers.
    """
    truths = labels(holdout, schema)
    classes = list(enumerate(schema.target.classes))[1 if schema.target.task == "binary" else 0 :]
    curves = []
    for number, label in classes:
        positive = truths == number
        if positive.all() or not positive.any():
            continue
        false_rate, true_rate, _ = roc_curve(positive, holdout[schema.answers[number]])
        at = np.unique(np.linspace(0, len(false_rate) - 1, PLOT_POINTS).astype(int))
        curve = {"false_positive_rate": false_rate[at], "true_positive_rate": true_rate[at]}
        curves.append(pd.DataFrame({"class": str(label), **curve}))
    names = ["class", "false_positive_rate", "true_positive_rate"]
    return pd.concat(curves, ignore_index=True) if curves else pd.DataFrame(columns=names)


def calibration_points(holdout: pd.DataFrame, schema: FeatureSchema) -> pd.DataFrame:
    """Reliability in deciles of the answer: predicted, observed.

    Of the positive class; of the likeliest of many classes; of a regression's values.
    """
    truths, answers = labels(holdout, schema), holdout[schema.answers].to_numpy(float)
    if schema.target.task == "regression":
        deciles = pd.qcut(answers[:, 0], 10, labels=False, duplicates="drop")
        means = pd.DataFrame({"predicted": answers[:, 0], "observed": truths}).groupby(deciles)
        return means.mean().reset_index(drop=True)
    chosen = answers[:, 1] if schema.target.task == "binary" else answers.max(axis=1)
    right = truths == (1 if schema.target.task == "binary" else answers.argmax(axis=1))
    observed, predicted = calibration_curve(right, chosen, n_bins=10, strategy="quantile")
    return pd.DataFrame({"predicted": predicted, "observed": observed})


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.evaluate", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--prepared", type=Path, required=True, help="read: parquet")
    parser.add_argument("--schema", type=Path, required=True, help="read: JSON")
    parser.add_argument("--chosen", type=Path, required=True, help="read: JSON")
    parser.add_argument("--holdout", type=Path, required=True, help="written: parquet")
    parser.add_argument("--metrics", type=Path, required=True, help="written: JSON")
    parser.add_argument("--roc", type=Path, required=True, help="written: CSV")
    parser.add_argument("--calibration", type=Path, required=True, help="written: CSV")
    parser.add_argument("--segments", type=Path, required=True, help="written: CSV")
    parser.add_argument("--importance", type=Path, required=True, help="written: CSV")
    arguments = parser.parse_args()
    try:
        _run(arguments)
    except (DatasetError, ParamsError) as error:
        sys.exit(f"evaluate: {error}")


def _run(arguments: argparse.Namespace) -> None:
    params = load_params(arguments.params)
    choice = read_choice(arguments.chosen)
    schema = FeatureSchema.from_json(arguments.schema.read_bytes()).with_choice(
        choice.threshold, choice.margin, params.evaluate.coverage
    )
    tested = backtest(read_prepared(arguments.prepared), schema, choice.recipe, params)
    holdout = tested.holdout
    holdout.to_parquet(arguments.holdout)
    rng = np.random.default_rng(params.train.seed)
    metrics = measure(holdout, schema, params, rng)
    arguments.metrics.write_text(json.dumps(metrics, indent=1) + "\n")
    roc_points(holdout, schema).to_csv(arguments.roc, index=False)
    calibration_points(holdout, schema).to_csv(arguments.calibration, index=False)
    worst_segments(holdout, schema, params.data).to_csv(arguments.segments, index=False)
    importance(tested, schema, rng).to_csv(arguments.importance, index=False)


if __name__ == "__main__":
    main()
