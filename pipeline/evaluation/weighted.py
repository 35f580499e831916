"""Measures as functions of row weights: prepared once, then cheap for hundreds of resamples.

With equal weights they are those of sklearn.metrics, which would sort all rows for each resample.
"""

from collections.abc import Callable

import numpy as np

from contracts.losses import row_losses
from contracts.schema import Target
from pipeline.evaluation.bootstrap import Statistic
from pipeline.evaluation.holdout import Floats, Integers, Judged, decide
from pipeline.evaluation.rankings import rank, rank_measures

# log_loss as sklearn.metrics clips it; `loss` is clipped as contracts/losses.py says.
EPSILON = float(np.finfo(np.float64).eps)
BINS = 10
# Below this share of the median absolute target, a percentage of the target says nothing.
TINY = 0.01


def statistic_of(judged: Judged, target: Target) -> Statistic:
    """The function from row weights, float64 (n,), to every measure of the target's task."""
    measures = _regression if target.task == "regression" else _classification
    return measures(judged, target)


def calibration_error(chances: Floats, hits: Floats) -> float:
    """Expected calibration error: mean distance of what was promised and what came, BINS bins.

    Bins hold equally many rows, except that equal chances stay together (Nixon and others,
    "Measuring Calibration in Deep Learning", 2019).

    Args:
        chances: (n,) probability of what was predicted.
        hits: (n,) 1 where it came true, else 0.
    """
    bins = equal_mass_bins(chances)
    gaps = np.bincount(bins, chances - hits)
    return float(np.abs(gaps).sum() / len(chances))


def equal_mass_bins(chances: Floats) -> Integers:
    """Number of each row's bin, int64 (n,) below BINS."""
    edges = np.unique(np.quantile(chances, np.arange(1, BINS) / BINS))
    return np.searchsorted(edges, chances, side="right").astype(np.int64)


def brier_scores(truths: Floats, answers: Floats) -> Floats:
    """Brier's score of each row, (n,).

    Of two classes it is the squared error of the last one's probability, from 0 to 1; of more the
    sum of squared errors over all classes, from 0 to 2 (Brier, "Verification of Forecasts", 1950).
    """
    truth = np.eye(answers.shape[1])[truths.astype(np.int64)]
    squares = (answers - truth) ** 2
    return squares[:, 1] if answers.shape[1] == 2 else squares.sum(axis=1)


def log_losses(truths: Floats, answers: Floats) -> Floats:
    """Log-loss of each row in nats, (n,), clipped only where it would be infinite."""
    chosen = answers[np.arange(len(answers)), truths.astype(np.int64)]
    return -np.log(np.clip(chosen, EPSILON, 1 - EPSILON))


def confusion(truths: Integers, decided: Integers, classes: int, weights: Floats) -> Floats:
    """(classes, classes): rows are true classes, columns answered ones."""
    cells = np.bincount(truths * classes + decided, weights, classes * classes).astype(np.float64)
    return cells.reshape(classes, classes)


def _classification(judged: Judged, target: Target) -> Statistic:
    truths, classes = judged.truths.astype(np.int64), len(target.classes)
    decided = decide(judged.answers, target)
    scored = [1] if target.task == "binary" else range(classes)
    rankings = [rank(judged.answers[:, k], truths == k) for k in scored]
    means = _means(
        {
            "log_loss": log_losses(judged.truths, judged.answers),
            "brier": brier_scores(judged.truths, judged.answers),
            "accuracy": (truths == decided).astype(np.float64),
            "loss": row_losses(target.task, judged.truths, judged.answers),
            "baseline_log_loss": log_losses(judged.truths, judged.baselines),
            "baseline_brier": brier_scores(judged.truths, judged.baselines),
            "baseline_loss": row_losses(target.task, judged.truths, judged.baselines),
        }
    )

    def statistic(weights: Floats) -> dict[str, float]:
        ranks = np.array([rank_measures(ranking, weights) for ranking in rankings])
        area, precision = _mean_of_defined(ranks[:, 0]), _mean_of_defined(ranks[:, 1])
        found = {"roc_auc": area, "average_precision": precision} | means(weights)
        matrix = confusion(truths, decided, classes, weights)
        return _with_skill(found | _decision_measures(matrix, target))

    return statistic


def _decision_measures(matrix: Floats, target: Target) -> dict[str, float]:
    """Of the last of two classes; of more, the mean over classes that occur or are answered."""
    hits, true, answered = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    parts = {
        "precision": (hits, answered),
        "recall": (hits, true),
        "f1": (2 * hits, true + answered),
    }
    found = {}
    for name, (above, below) in parts.items():
        values = np.divide(above, below, out=np.zeros_like(hits), where=below > 0)
        occurs = (true + answered) > 0
        found[name] = values[1] if target.task == "binary" else values[occurs].mean()
    return {name: float(value) for name, value in found.items()}


def _regression(judged: Judged, target: Target) -> Statistic:
    truths = judged.truths
    centred = truths - truths.mean()  # keeps digits where targets are large and close together
    error, baseline = truths - judged.answers[:, 0], truths - judged.baselines[:, 0]
    columns = {
        "mae": np.abs(error),
        "square": error**2,
        "loss": row_losses(target.task, truths, judged.answers),
        "baseline_mae": np.abs(baseline),
        "baseline_square": baseline**2,
        "baseline_loss": row_losses(target.task, truths, judged.baselines),
        "centred": centred,
        "centred_square": centred**2,
    }
    if percentages_make_sense(truths):
        columns["mape"] = np.abs(error / truths)
    if target.margin is not None:
        columns["interval_coverage"] = (np.abs(error) <= target.margin).astype(np.float64)
    means = _means(columns)

    def statistic(weights: Floats) -> dict[str, float]:
        found = means(weights)
        spread = found.pop("centred_square") - found.pop("centred") ** 2
        square = found.pop("square")
        found["rmse"] = float(np.sqrt(square))
        found["baseline_rmse"] = float(np.sqrt(found.pop("baseline_square")))
        found["r2"] = 1 - square / spread if spread > 0 else np.nan
        return _with_skill(found)

    return statistic


def percentages_make_sense(truths: Floats) -> bool:
    """Whether no target is zero or tiny: one alone could make a mean percentage as large as any."""
    sizes = np.abs(truths)
    return bool(sizes.min() > TINY * np.median(sizes))


def _means(columns: dict[str, Floats]) -> Callable[[Floats], dict[str, float]]:
    """The function from weights to the weighted mean of each column."""
    names, table = list(columns), np.stack(list(columns.values()), axis=1)

    def means(weights: Floats) -> dict[str, float]:
        values = weights @ table / weights.sum()
        return {name: float(value) for name, value in zip(names, values, strict=True)}

    return means


def _with_skill(found: dict[str, float]) -> dict[str, float]:
    baseline = found["baseline_loss"]
    return found | {"skill": 1 - found["loss"] / baseline if baseline > 0 else np.nan}


def _mean_of_defined(values: Floats) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else np.nan
