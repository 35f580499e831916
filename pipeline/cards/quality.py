"""The section of the model card about how good it is, against baselines and the champion."""

from collections.abc import Mapping
from typing import Any

from pipeline.cards.document import Block, Section, Table
from pipeline.cards.evaluation_charts import (
    confusion_chart,
    precision_recall_chart,
    roc_chart,
    threshold_chart,
    truth_chart,
)
from pipeline.cards.facts import CardFacts, draw, figure, interval

# Key of a measure: its name, and what answers without features give (a key or a number).
MEASURES: dict[str, tuple[str, str | float | None]] = {
    "roc_auc": ("ROC AUC", 0.5),
    "average_precision": ("average precision", "positive_rate"),
    "log_loss": ("log-loss", "baseline_log_loss"),
    "brier": ("Brier score", "baseline_brier"),
    "f1": ("F1", None),
    "precision": ("precision", None),
    "recall": ("recall", None),
    "accuracy": ("accuracy", None),
    "mae": ("mean absolute error", "baseline_mae"),
    "rmse": ("root mean squared error", "baseline_rmse"),
    "r2": ("R²", None),
    "mape": ("mean absolute percentage error", None),
    "loss": ("loss (what gates compare)", "baseline_loss"),
    "skill": ("skill (share of the loss saved)", 0.0),
}
MEANS = {"roc_auc", "average_precision", "f1", "precision", "recall"}


def quality_section(facts: CardFacts) -> Section:
    """Measures with intervals, of the model, of answers without features and of the champion."""
    metrics, task = facts.metrics, facts.schema.target.task
    baseline = "always the training median" if task == "regression" else "always the training rates"
    rows = [
        (_name(key, task), figure(metrics[key]), interval(metrics["intervals"].get(key)),
         _baseline(key, metrics))
        for key in MEASURES if key in metrics
    ]  # fmt: skip
    head = ("measure", "model", "95 % interval", baseline)
    blocks: list[Block] = [f"On the {metrics['rows']:,} held-out rows:", Table(head, tuple(rows))]
    blocks += _champion_blocks(facts)
    return Section("Quality", (*blocks, *_quality_pictures(facts)))


def _champion_blocks(facts: CardFacts) -> list[Block]:
    champion = facts.champion
    if champion is None:
        return ["There was no champion to compare with."]
    excess, bounds = champion["excess"], (champion["low"], champion["high"])
    text = (
        f"On the {champion['rows']:,} of them that the champion {champion['version']} has not "
        f"learned from either, its loss is {figure(abs(excess))} a row "
        f"{'below' if excess < 0 else 'above'} the champion's (95 % interval of the difference "
        f"{interval(bounds)}; below 0 this model is better):"
    )
    own, theirs = champion["measures"], champion["champion_measures"]
    rows = tuple(
        (_name(key, facts.schema.target.task), figure(own[key]), figure(theirs[key]))
        for key in MEASURES
        if key in own and key in theirs
    )
    return [text, Table(("measure", "model", "champion"), rows)]


def _quality_pictures(facts: CardFacts) -> list[Block]:
    judged, target = facts.judged, facts.schema.target
    if target.task == "regression":
        return [draw(truth_chart(judged, target), "True against answered values")]
    found: list[Block] = [
        draw(roc_chart(judged, target), "ROC curve"),
        draw(precision_recall_chart(judged, target), "Precision against recall"),
        draw(confusion_chart(judged, target), "Confusion matrix"),
    ]
    if target.task == "binary":
        chart = threshold_chart(judged, target, facts.params.evaluate.cost)
        found.append(draw(chart, "What each threshold gives"))
    return found


def _name(key: str, task: str) -> str:
    mean = ", mean over classes" if key in MEANS and task == "multiclass" else ""
    return MEASURES[key][0] + mean


def _baseline(key: str, metrics: Mapping[str, Any]) -> str:
    """Of answers that know no feature: a measure, a number that is always so, or nothing."""
    source = MEASURES[key][1]
    if isinstance(source, str):
        return figure(metrics[source]) if source in metrics else ""
    return "" if source is None else figure(source)
