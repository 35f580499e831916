"""Pictures of the model: the candidates, how well it ranks, whether its words can be taken."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from deploy.report.pictures import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    as_percent,
    canvas,
    finish,
    with_grid,
)
from deploy.report.wording import plain
from pipeline.profiling.charts import label

COLOURS = (GREEN, BLUE, ORANGE, "#cc79a7", "#5e3c99")
MOST_FEATURES = 16


def draw_search(search: pd.DataFrame, chosen: Mapping[str, Any]) -> Markup:
    """Every draw with its spread over the folds; the chosen one is ringed."""
    losses = -search.mean_score
    order = losses.sort_values().index[::-1]
    with canvas(0.7 + 0.19 * len(search)) as (figure, (axes,)):
        for colour, name in zip(COLOURS, search.candidate.unique(), strict=False):
            rows = [i for i, at in enumerate(order) if search.candidate[at] == name]
            at = [order[i] for i in rows]
            axes.errorbar(
                losses[at], rows, xerr=search.std_score[at], fmt="o", color=colour, markersize=4.5,
                elinewidth=0.8, label=plain(name),
            )  # fmt: skip
        for i, at in enumerate(order):
            if search.mean_score[at] == chosen["recipe"]["score"]:
                axes.plot(losses[at], i, "o", markersize=10, fillstyle="none", color="black",
                          label="chosen")  # fmt: skip
        axes.set_yticks([])
        axes.set_ylabel("each draw of settings")
        axes.set_xlabel(
            "log-loss on later rows (smaller is better), with its spread over the folds"
        )
        axes.legend(frameon=False, loc="best")
        with_grid(axes, "x")
        return finish(figure)


def draw_quality(
    roc: pd.DataFrame, calibration: pd.DataFrame, metrics: Mapping[str, Any]
) -> Markup:
    """The ROC curve with the threshold's point, and the reliability diagram."""
    (right_no, false_alarm), (missed, right_yes) = metrics["confusion_matrix"]
    with canvas(2.9, 1, 1) as (figure, (left, right)):
        left.plot(roc.false_positive_rate, roc.true_positive_rate, color=GREEN, linewidth=1.8)
        left.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=":")
        left.plot(false_alarm / (false_alarm + right_no), right_yes / (right_yes + missed), "o",
                  color=ORANGE, label="the threshold in use")  # fmt: skip
        left.set_xlabel("punctual flights that were called late")
        left.set_ylabel("late flights that were called late")
        left.set_title("hits against false alarms")
        left.legend(frameon=False, loc="lower right")
        most = 1.08 * max(calibration.predicted.max(), calibration.observed.max())
        right.plot([0, most], [0, most], color=GREY, linewidth=0.8, linestyle=":")
        right.plot(calibration.predicted, calibration.observed, "o-", color=GREEN, markersize=4)
        right.set_xlabel("probability that was answered")
        right.set_ylabel("share that came late")
        right.set_title("promise against truth")
        for axes in (left, right):
            as_percent(axes, "x")
            as_percent(axes)
            with_grid(axes, "both")
        return finish(figure)


def draw_importance(importance: pd.DataFrame) -> Markup:
    """What the loss rises by where a column is shuffled, with its spread."""
    shown = importance.nlargest(MOST_FEATURES, "mean")[::-1]
    colours = [GREEN if mean > 2 * std else PALE
               for mean, std in zip(shown["mean"], shown["std"], strict=True)]  # fmt: skip
    with canvas(0.55 + 0.18 * len(shown)) as (figure, (axes,)):
        names = [label(name) for name in shown.feature]
        axes.barh(names, shown["mean"], xerr=shown["std"], color=colours, height=0.65,
                  error_kw={"elinewidth": 0.8, "ecolor": GREY})  # fmt: skip
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.set_xlabel("rise of the log-loss when the column is shuffled")
        with_grid(axes, "x")
        return finish(figure)
