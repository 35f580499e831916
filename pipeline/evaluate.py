"""Stage 4: how good the choice is on the newest days, each judged by a model of earlier rows only.

The bundle's model learns from all rows, so it cannot be judged on them. Its recipe can: the
held-out days are cut into consecutive folds, and each is answered by the same recipe fitted on
the rows before it (rolling origin). The gate compares these answers with the champion's.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
    roc_curve,
)
from tqdm import tqdm

from contracts.params import Params, load_params
from contracts.schema import FeatureSchema
from pipeline.frames import (
    DatasetError,
    holdout_start,
    is_positive,
    model_frame,
    read_prepared,
)
from pipeline.search import Chosen
from pipeline.train import fit

PLOT_POINTS = 200


def backtest(
    frame: pd.DataFrame, schema: FeatureSchema, chosen: Chosen, params: Params
) -> pd.DataFrame:
    """The held-out rows with two more columns, both out of sample.

    Returns:
        `probability` of the positive class by the recipe, and `baseline`, the rate of the
        positive class among the rows that the recipe learned from.
    """
    times = frame[params.data.timestamp]
    start = holdout_start(times, params.evaluate.holdout_days)
    step = pd.Timedelta(days=params.evaluate.holdout_days) / params.evaluate.folds
    folds: list[pd.DataFrame] = []
    for i in tqdm(range(params.evaluate.folds), "backtest", unit="fit"):
        begin, end = start + i * step, start + (i + 1) * step
        past, future = frame[times < begin], frame[(times >= begin) & (times < end)]
        if len(future):
            model = fit(chosen, past, schema, params)
            probability = model.predict_proba(model_frame(future, schema))[:, 1]
            baseline = is_positive(past, params.data).mean()
            folds.append(future.assign(probability=probability, baseline=baseline))
    return pd.concat(folds, ignore_index=True)


def measure(holdout: pd.DataFrame, threshold: float, params: Params) -> dict[str, float | int]:
    """Quality on the held-out rows; the baseline always predicts the training rate.

    Raises:
        DatasetError: only one class occurs in them.
    """
    target = is_positive(holdout, params.data)
    if len(np.unique(target)) < 2:
        raise DatasetError(
            f"the {len(holdout)} rows of the newest {params.evaluate.holdout_days} days have only "
            "one class, so nothing can be measured on them"
        )
    probability, baseline = holdout.probability, holdout.baseline
    answer = (probability >= threshold).astype(int)
    figures = {
        "roc_auc": roc_auc_score(target, probability),
        "log_loss": log_loss(target, probability),
        "brier": brier_score_loss(target, probability),
        "precision": precision_score(target, answer, zero_division=0),
        "recall": recall_score(target, answer),
        "f1": f1_score(target, answer),
        "accuracy": accuracy_score(target, answer),
        "baseline_log_loss": log_loss(target, baseline),
        "baseline_brier": brier_score_loss(target, baseline),
        "positive_rate": target.mean(),
        "threshold": threshold,
    }
    return {"rows": len(holdout)} | {k: round(float(v), 6) for k, v in figures.items()}


def roc_points(target: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """ROC curve thinned to PLOT_POINTS points: false_positive_rate, true_positive_rate."""
    false_rate, true_rate, _ = roc_curve(target, probability)
    at = np.unique(np.linspace(0, len(false_rate) - 1, PLOT_POINTS).astype(int))
    return pd.DataFrame(
        {"false_positive_rate": false_rate[at], "true_positive_rate": true_rate[at]}
    )


def calibration_points(target: np.ndarray, probability: np.ndarray) -> pd.DataFrame:
    """Reliability diagram in deciles of the prediction: predicted, observed."""
    observed, predicted = calibration_curve(target, probability, n_bins=10, strategy="quantile")
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
    arguments = parser.parse_args()
    params = load_params(arguments.params)
    schema = FeatureSchema.from_json(arguments.schema.read_bytes())
    choice = json.loads(arguments.chosen.read_text())
    threshold = choice.pop("threshold")
    holdout = backtest(read_prepared(arguments.prepared), schema, Chosen(**choice), params)
    holdout.to_parquet(arguments.holdout)
    metrics = measure(holdout, threshold, params)
    arguments.metrics.write_text(json.dumps(metrics, indent=1) + "\n")
    target, probability = is_positive(holdout, params.data), holdout.probability.to_numpy()
    roc_points(target, probability).to_csv(arguments.roc, index=False)
    calibration_points(target, probability).to_csv(arguments.calibration, index=False)


if __name__ == "__main__":
    main()
