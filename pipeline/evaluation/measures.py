"""How good the answers on held-out rows are, each headline measure with a bootstrap interval."""

from typing import Any

import numpy as np
import pandas as pd

from contracts.params import Params
from contracts.schema import FeatureSchema
from pipeline.evaluation.bootstrap import bootstrap, sample_rows
from pipeline.evaluation.holdout import read_judged
from pipeline.evaluation.points import measure_points, round_figure
from pipeline.evaluation.weighted import statistic_of

# Of a larger hold-out, intervals come from a sample, and are a little too wide.
BOOTSTRAP_CELLS = 100_000  # rows times outputs


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
    pipeline/evaluation/holdout.py). calibration_error has none: resampling alone makes it larger.

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
