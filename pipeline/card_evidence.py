"""Sections of the model card about how good it is, where not, and why this one was chosen."""

import json
from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from pipeline.card_document import Block, Picture, Section, Table
from pipeline.card_facts import CardFacts, figure, interval
from pipeline.charts import to_svg
from pipeline.choice_charts import importance_chart, search_chart, segments_chart
from pipeline.evaluation_charts import (
    confusion_chart,
    precision_recall_chart,
    reliability_chart,
    residual_chart,
    residual_distribution_chart,
    roc_chart,
    threshold_chart,
    truth_chart,
)
from pipeline.texts import plain

SHOWN_FEATURES, SHOWN_DRAWS = 20, 10
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


def trust_section(facts: CardFacts) -> Section:
    if facts.schema.target.task == "regression":
        return _interval_section(facts)
    method, error = facts.chosen.get("calibration", "none"), facts.metrics["calibration_error"]
    how = "are not calibrated" if method == "none" else f"are calibrated ({plain(method)})"
    text = (
        f"Its probabilities {how}. On the held-out rows they miss what came true by "
        f"{figure(error)} on average (expected calibration error, 10 bins of equally many rows). "
        "Numbers in the picture count rows."
    )
    chart = reliability_chart(facts.judged, facts.schema.target, facts.uncalibrated)
    return Section("Calibration", (text, _picture(chart, "Reliability diagram")))


def weakness_section(facts: CardFacts) -> Section:
    if facts.segments.empty:
        return Section("Where it is weakest", ("The held-out rows are too few to say.",))
    rows = tuple(
        (str(row["segment"]), f"{row['rows']:,} ({row['share']:.1%})", figure(row["loss"]),
         figure(row["loss_rest"]), interval((row["low"], row["high"])))
        for row in facts.segments.to_dict("records")
    )  # fmt: skip
    head = ("segment", "rows", "loss", "loss elsewhere", "above the loss of all rows, interval")
    text = (
        "Of all segments of up to two features with at least 1 % of rows, these have the largest "
        "loss for certain. The intervals hold together for all segments that were looked at; one "
        "that begins below 0 may be chance."
    )
    chart = segments_chart(facts.segments)
    return Section("Where it is weakest",
                   (text, Table(head, rows), _picture(chart, "Loss of segments")))  # fmt: skip


def importance_section(facts: CardFacts) -> Section:
    if facts.importance.empty:
        return Section("What it looks at", ("This was not measured.",))
    shown = facts.importance.head(SHOWN_FEATURES).to_dict("records")
    rows = tuple((str(r["feature"]), figure(r["mean"]), figure(r["std"])) for r in shown)
    text = (
        "How much the loss grows when one feature is shuffled between held-out rows. Features "
        "that say the same share their importance."
    )
    table = Table(("feature", "increase of loss", "standard deviation"), rows)
    chart = importance_chart(facts.importance)
    return Section("What it looks at", (text, table, _picture(chart, "Importance of features")))


def choice_section(facts: CardFacts) -> Section:
    search = facts.params.train.search
    values = _values(facts.chosen["values"]) or "its usual parameters"
    best = facts.search.sort_values("mean_score", ascending=False, kind="stable").head(SHOWN_DRAWS)
    rows = tuple(
        (str(r["candidate"]), _values(r["values"]), figure(r["mean_score"]), figure(r["std_score"]))
        for r in best.to_dict("records")
    )
    text = (
        f"{_words(facts.chosen['candidate'])} with {values} was chosen from {len(facts.search)} "
        f"draws, by {search.scoring} over {search.folds} folds (higher is better). Preferred is "
        f"{_words(search.prefer)}, unless another is better by more than a standard error."
    )
    head = ("candidate", "parameters", "score", "standard deviation")
    chart = search_chart(facts.search, search.folds)
    return Section("How it was chosen",
                   (text, Table(head, rows), _picture(chart, "Scores of the draws")))  # fmt: skip


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
        return [_picture(truth_chart(judged, target), "True against answered values")]
    found: list[Block] = [
        _picture(roc_chart(judged, target), "ROC curve"),
        _picture(precision_recall_chart(judged, target), "Precision against recall"),
        _picture(confusion_chart(judged, target), "Confusion matrix"),
    ]
    if target.task == "binary":
        chart = threshold_chart(judged, target, facts.params.evaluate.cost)
        found.append(_picture(chart, "What each threshold gives"))
    return found


def _interval_section(facts: CardFacts) -> Section:
    metrics, target = facts.metrics, facts.schema.target
    text = "It gives no intervals."
    if "interval_coverage" in metrics and target.coverage is not None:
        between = interval(metrics["intervals"].get("interval_coverage"))
        text = (
            f"Its intervals are {figure(metrics['interval_width'])} wide and should hold "
            f"{target.coverage:.0%} of true values. On the held-out rows they hold "
            f"{figure(metrics['interval_coverage'])} (95 % interval {between or 'unknown'}). They "
            "are equally wide everywhere: where residuals spread more, fewer values lie within."
        )
    pictures = (
        _picture(residual_chart(facts.judged), "Residuals against answers"),
        _picture(residual_distribution_chart(facts.judged), "Distribution of residuals"),
    )
    return Section("Prediction intervals", (text, *pictures))


def _name(key: str, task: str) -> str:
    mean = ", mean over classes" if key in MEANS and task == "multiclass" else ""
    return MEASURES[key][0] + mean


def _baseline(key: str, metrics: Mapping[str, Any]) -> str:
    """Of answers that know no feature: a measure, a number that is always so, or nothing."""
    source = MEASURES[key][1]
    if isinstance(source, str):
        return figure(metrics[source]) if source in metrics else ""
    return "" if source is None else figure(source)


def _values(values: Mapping[str, Any] | str) -> str:
    """Parameters, of which a table read from CSV holds the JSON."""
    found = json.loads(values) if isinstance(values, str) else values
    return ", ".join(f"{plain(key)} = {plain(value)}" for key, value in found.items())


def _words(candidate: str) -> str:
    named = plain(candidate).replace("_", " ")
    return "the simplest one" if named == "simplest" else named


def _picture(chart: Figure, text: str) -> Picture:
    return Picture(to_svg(chart), text)
