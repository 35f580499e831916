"""Pictures of a hold-out frame: of classes and of values."""

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from contracts.params import Cost
from contracts.schema import Target
from pipeline.cards.charts import BLUE, GREY, LINES, ORANGE, new_chart, text_of
from pipeline.evaluation.holdout import Floats, Integers, Judged, decide
from pipeline.evaluation.thresholds import GRID, threshold_scores
from pipeline.evaluation.weighted import confusion, equal_mass_bins

POINTS = 200  # of a curve
DOTS = 600  # of a cloud
CURVES, CLASSES = 6, 20  # most that a picture of classes shows


def roc_chart(judged: Judged, target: Target) -> Figure:
    """True against false positive rate, of each class against the rest."""
    figure, axes = new_chart("ROC curve", "false positive rate", "true positive rate")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    for line, (k, name) in zip(LINES, _scored(judged, target), strict=False):
        false, true, _ = roc_curve(judged.truths == k, judged.answers[:, k])
        at = _thin(len(false))
        axes.plot(false[at], true[at], color=line, label=name)
    axes.legend(fontsize=8, loc="lower right")
    return figure


def precision_recall_chart(judged: Judged, target: Target) -> Figure:
    """Precision against recall, of each class against the rest."""
    figure, axes = new_chart("Precision and recall", "recall", "precision")
    for line, (k, name) in zip(LINES, _scored(judged, target), strict=False):
        precision, recall, _ = precision_recall_curve(judged.truths == k, judged.answers[:, k])
        at = _thin(len(recall))
        axes.plot(recall[at], precision[at], color=line, label=name)
    axes.set_ylim(0, 1.02)
    axes.legend(fontsize=8, loc="lower left")
    return figure


def reliability_chart(judged: Judged, target: Target, uncalibrated: Floats | None) -> Figure:
    """What was promised against what came, with the number of rows at each point.

    Args:
        uncalibrated: (n, classes) of the same rows without calibration, for comparison.
    """
    what = "likeliest class" if target.task == "multiclass" else text_of(target.classes[-1])
    title = f"Reliability ({what})"
    figure, axes = new_chart(title, "predicted probability", "share that came true")
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    if uncalibrated is not None:
        promised, came, _ = reliability(judged.truths, uncalibrated, target)
        axes.plot(promised, came, color=GREY, marker="s", markersize=4, label="uncalibrated")
    promised, came, rows = reliability(judged.truths, judged.answers, target)
    axes.plot(promised, came, color=BLUE, marker="o", markersize=4, label="as served")
    for x, y, count in zip(promised, came, rows, strict=True):
        axes.annotate(f"{count:,}", (x, y), (4, -9), textcoords="offset points", fontsize=6)
    axes.legend(fontsize=8, loc="upper left")
    return figure


def reliability(truths: Floats, answers: Floats, target: Target) -> tuple[Floats, Floats, Integers]:
    """Mean probability, share that came true and rows of each equal-mass bin."""
    if target.task == "binary":
        chances, hits = answers[:, 1], truths
    else:
        chances = answers.max(axis=1)
        hits = (answers.argmax(axis=1) == truths).astype(np.float64)
    bins = np.unique(equal_mass_bins(chances), return_inverse=True)[1]
    rows = np.bincount(bins)
    return np.bincount(bins, chances) / rows, np.bincount(bins, hits) / rows, rows


def confusion_chart(judged: Judged, target: Target) -> Figure:
    """True against answered classes, shares of each true class; the most frequent CLASSES."""
    count = len(target.classes)
    truths = judged.truths.astype(np.int64)
    matrix = confusion(truths, decide(judged.answers, target), count, np.ones(len(truths)))
    kept = np.sort(np.argsort(-matrix.sum(axis=1), kind="stable")[:CLASSES])
    matrix = matrix[np.ix_(kept, kept)]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    names = [text_of(target.classes[k], 16) for k in kept]
    figure, axes = new_chart("Confusion matrix", "answered", "true", max(3.4, 0.25 * len(kept)))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.grid(visible=False)
    axes.set_xticks(range(len(kept)), names, rotation=45 if len(kept) > 4 else 0)
    axes.set_yticks(range(len(kept)), names)
    for i, j in np.ndindex(*matrix.shape) if len(kept) <= 10 else ():
        ink = "white" if shares[i, j] > 0.55 else "black"
        words = f"{matrix[i, j]:,.0f}\n{shares[i, j]:.0%}"
        axes.text(j, i, words, ha="center", va="center", color=ink, fontsize=8)
    return figure


def threshold_chart(judged: Judged, target: Target, cost: Cost | None) -> Figure:
    """What each threshold would give: F1, or the mean cost of a row."""
    scores = threshold_scores(judged.truths, judged.answers[:, 1], cost)
    title, y, values = (
        ("Threshold and F1", "F1", scores)
        if cost is None
        else ("Threshold and cost", "mean cost of a row", -scores)
    )
    figure, axes = new_chart(title, "threshold", y)
    axes.plot(GRID[::5], values[::5], color=BLUE)
    axes.axvline(target.threshold, color=ORANGE, label=f"chosen: {target.threshold:g}")
    axes.legend(fontsize=8)
    return figure


def truth_chart(judged: Judged, target: Target) -> Figure:
    """True against answered values with the band of prediction intervals."""
    figure, axes = new_chart("Truth and answer", "answered", "true")
    answers, truths, at = judged.answers[:, 0], judged.truths, _thin(len(judged.truths), DOTS)
    ends = np.array([answers.min(), answers.max()])
    axes.plot(ends, ends, color=GREY, linewidth=1, linestyle="--")
    if target.margin is not None:
        label = f"should hold {target.coverage:.0%} of rows" if target.coverage else "interval"
        low, high = ends - target.margin, ends + target.margin
        axes.fill_between(ends, low, high, color=ORANGE, alpha=0.15, label=label)
        axes.legend(fontsize=8)
    axes.scatter(answers[at], truths[at], s=7, color=BLUE, alpha=0.5, linewidths=0)
    return figure


def residual_chart(judged: Judged) -> Figure:
    """Residuals against answers, with their median along the answer."""
    figure, axes = new_chart("Residuals", "answered", "true minus answered")
    answers, at = judged.answers[:, 0], _thin(len(judged.truths), DOTS)
    residuals = judged.truths - answers
    axes.scatter(answers[at], residuals[at], s=7, color=BLUE, alpha=0.5, linewidths=0)
    axes.axhline(0, color=GREY, linewidth=1)
    bins = equal_mass_bins(answers)
    present = np.unique(bins)
    middle = [np.median(answers[bins == b]) for b in present]
    medians = [np.median(residuals[bins == b]) for b in present]
    axes.plot(middle, medians, color=ORANGE, marker="o", markersize=3, label="median")
    axes.legend(fontsize=8)
    return figure


def residual_distribution_chart(judged: Judged) -> Figure:
    """How often residuals of each size occur, without the outermost 0.5 % on either side."""
    figure, axes = new_chart("Distribution of residuals", "true minus answered", "rows")
    residuals = judged.truths - judged.answers[:, 0]
    low, high = np.quantile(residuals, [0.005, 0.995])
    axes.hist(residuals[(residuals >= low) & (residuals <= high)], bins=40, color=BLUE)
    axes.axvline(0, color=GREY, linewidth=1)
    return figure


def _scored(judged: Judged, target: Target) -> list[tuple[int, str]]:
    """Number and name of the classes with a curve of their own: the last of two, or the largest."""
    counts = np.bincount(judged.truths.astype(np.int64), minlength=len(target.classes))
    if target.task == "binary":
        return [(1, text_of(target.classes[1]))]
    largest = np.argsort(-counts, kind="stable")[:CURVES]
    there = [int(k) for k in largest if 0 < counts[k] < len(judged.truths)]
    return [(k, text_of(target.classes[k])) for k in there]


def _thin(count: int, points: int = POINTS) -> Integers:
    return np.unique(np.linspace(0, count - 1, points).astype(np.int64))
