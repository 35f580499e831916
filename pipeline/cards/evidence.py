"""Sections of the model card about its certainty, its weakness, and why this one was chosen."""

import json
from collections.abc import Mapping
from typing import Any

from pipeline.cards.choice_charts import importance_chart, search_chart, segments_chart
from pipeline.cards.document import Section, Table
from pipeline.cards.evaluation_charts import (
    reliability_chart,
    residual_chart,
    residual_distribution_chart,
)
from pipeline.cards.facts import CardFacts, draw, figure, interval
from pipeline.evaluation.texts import plain

SHOWN_FEATURES, SHOWN_DRAWS = 20, 10


def trust_section(facts: CardFacts) -> Section:
    """How far its probabilities can be believed, or its prediction intervals."""
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
    return Section("Calibration", (text, draw(chart, "Reliability diagram")))


def weakness_section(facts: CardFacts) -> Section:
    """The segments with the largest loss."""
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
                   (text, Table(head, rows), draw(chart, "Loss of segments")))  # fmt: skip


def importance_section(facts: CardFacts) -> Section:
    """The features that its answers depend on."""
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
    return Section("What it looks at", (text, table, draw(chart, "Importance of features")))


def choice_section(facts: CardFacts) -> Section:
    """The draws of the search."""
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
                   (text, Table(head, rows), draw(chart, "Scores of the draws")))  # fmt: skip


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
        draw(residual_chart(facts.judged), "Residuals against answers"),
        draw(residual_distribution_chart(facts.judged), "Distribution of residuals"),
    )
    return Section("Prediction intervals", (text, *pictures))


def _values(values: Mapping[str, Any] | str) -> str:
    """Parameters, of which a table read from CSV holds the JSON."""
    found = json.loads(values) if isinstance(values, str) else values
    return ", ".join(f"{plain(key)} = {plain(value)}" for key, value in found.items())


def _words(candidate: str) -> str:
    named = plain(candidate).replace("_", " ")
    return "the simplest one" if named == "simplest" else named
