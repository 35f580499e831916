"""Measures of a hold-out as they are written down: rounded, None where undefined."""

from typing import Any

import numpy as np

from contracts.schema import Target
from pipeline.evaluation.holdout import Judged, decide
from pipeline.evaluation.weighted import calibration_error, confusion, statistic_of
from pipeline.frames import DatasetError

DECIMALS = 6
SMALL = 1e-4  # below it, that many significant digits: a target may be in small units


def measure_points(judged: Judged, target: Target) -> dict[str, Any]:
    """What pipeline.evaluation.measures.measure says, without intervals.

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
