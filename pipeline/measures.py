"""How good the answers on held-out rows are, each headline measure with a bootstrap interval."""

from typing import Any

import numpy as np
import pandas as pd

from contracts.params import Params
from contracts.schema import FeatureSchema, Target
from pipeline.bootstrap import bootstrap, sample_rows
from pipeline.frames import DatasetError
from pipeline.holdout import Judged, decide, read_judged
from pipeline.weighted import calibration_error, confusion, statistic_of

# Of a larger hold-out, intervals come from a sample, and are a little too wide.
BOOTSTRAP_CELLS = 100_000  # rows times outputs
DECIMALS = 6
SMALL = 1e-4  # below it, that many significant digits: a target may be in small units


def measure(
    holdout: pd.DataFrame, schema: FeatureSchema, params: Params, rng: np.random.Generator
) -> dict[str, Any]:
    """Quality on the held-out rows, ready for JSON; None where a measure is undefined.

    Every task: `rows`; `loss`, the mean of contracts.losses.row_losses; `baseline_loss`, the same
    of answers that know no feature (training class rates, or the training median); `skill`,
    1 - loss / baseline_loss.

    Binary: roc_auc, average_precision, log_loss, brier, precision, recall, f1, accuracy,
    calibration_error, baseline_log_loss, baseline_brier, positive_rate, threshold,
    confusion_matrix (rows are true classes).

    Multiclass: the same without positive_rate and threshold. roc_auc and average_precision are
    means of one class against the rest, precision, recall and f1 means over classes; brier is the
    sum over classes (0 to 2); calibration_error is the likeliest class's.

    Regression: mae, rmse, r2, mape, baseline_mae, baseline_rmse; and interval_coverage and
    interval_width where schema.target.margin is set. mape is None when a target is zero or tiny,
    because that row alone would make it arbitrarily large.

    `intervals` holds [low, high] of each, 95 %, by resampling rows, days or groups (see
    pipeline/holdout.py). calibration_error has none: resampling alone makes it larger.

    Raises:
        DatasetError: the rows have only one class, or none at all.
        SchemaError: a true label is none of the classes.
    """
    judged = read_judged(holdout, schema, params.data)
    figures = measure_points(judged, schema.target)
    limit = max(1, BOOTSTRAP_CELLS // len(schema.target.outputs))
    sample = judged.take(sample_rows(judged.blocks, limit, rng))
    statistic = statistic_of(sample, schema.target)
    found = bootstrap(statistic, sample.blocks, params.evaluate.bootstrap, rng)
    intervals = {
        name: [round_figure(low), round_figure(high)]
        for name, (low, high) in found.items()
        if not name.startswith("baseline_")
    }
    return {**figures, "intervals": intervals}


def measure_points(judged: Judged, target: Target) -> dict[str, Any]:
    """The same without intervals.

    Raises:
        DatasetError: the rows have only one class.
    """
    if target.task != "regression":
        _require_two_classes(judged)
    found = statistic_of(judged, target)(np.ones(len(judged.truths)))
    of_task = _of_regression if target.task == "regression" else _of_classes
    figures = {name: round_figure(value) for name, value in found.items()}
    return {"rows": len(judged.truths), **of_task(judged, target), **figures}


def round_figure(value: float) -> float | None:
    """A number for JSON, None for NaN."""
    if not np.isfinite(value):
        return None
    if 0 < abs(value) < SMALL:
        return float(f"{value:.{DECIMALS}g}")
    return round(float(value), DECIMALS)


def _of_classes(judged: Judged, target: Target) -> dict[str, Any]:
    truths = judged.truths.astype(np.int64)
    decided = decide(judged.answers, target)
    matrix = confusion(truths, decided, len(target.classes), np.ones(len(truths)))
    if target.task == "binary":
        error = calibration_error(judged.answers[:, 1], judged.truths)
        more = {"positive_rate": round_figure(judged.truths.mean()), "threshold": target.threshold}
    else:
        hits = (judged.answers.argmax(axis=1) == truths).astype(np.float64)
        error, more = calibration_error(judged.answers.max(axis=1), hits), {}
    whole = matrix.astype(np.int64).tolist()
    return {"calibration_error": round_figure(error), **more, "confusion_matrix": whole}


def _of_regression(judged: Judged, target: Target) -> dict[str, Any]:
    found: dict[str, Any] = {"mape": None}  # replaced where percentages make sense
    if target.margin is not None:
        found["interval_width"] = round_figure(2 * target.margin)
    return found


def _require_two_classes(judged: Judged) -> None:
    if len(np.unique(judged.truths)) < 2:
        raise DatasetError(
            f"the {len(judged.truths)} held-out rows have only one class, so nothing can be "
            "measured on them; hold out more (evaluate.holdout_days or holdout_share)"
        )
