"""Pictures of the loop at work: the replay, false alarms, estimates beside what came true."""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd
from markupsafe import Markup

from deploy.report.measured import Table
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
from pipeline.profiling.charts import label

SYSTEMS = {
    "live": ("as it was served", GREEN, "-"),
    "never": ("first model, untouched", ORANGE, "--"),
    "monthly": ("oracle, refitted monthly", BLUE, ":"),
}
ESTIMATE = re.compile(r"([\d.]+) \(([\d.]+) to ([\d.]+)\)")


def draw_replay(months: list[dict[str, Any]]) -> Markup:
    """Log-loss and ROC AUC by month; months with a promotion are shaded."""
    names = [f"{pd.Timestamp(m['month'] + '-01'):%b}" for m in months]
    with canvas(2.7, 1, 1) as (figure, every):
        measures = {
            "log_loss": "log-loss (smaller is better)",
            "roc_auc": "ROC AUC (larger is better)",
        }
        for axes, (measure, title) in zip(every, measures.items(), strict=True):
            for i, month in enumerate(months):
                if month["promotions"]:
                    axes.axvspan(i - 0.4, i + 0.4, color="#edf3ef", zorder=0)
            for system, (told, colour, line) in SYSTEMS.items():
                values = [m[measure][system] for m in months]
                axes.plot(names, values, line, color=colour, marker="o", markersize=3, label=told)
            axes.set_title(title)
            with_grid(axes)
        figure.legend(*every[0].get_legend_handles_labels(), loc="outside lower center", ncols=3,
                      frameon=False)  # fmt: skip
        return finish(figure)


def draw_alarms(quiet: Mapping[str, Mapping[str, float]]) -> Markup:
    """Alarms on windows without any change: declared, ours, Evidently's defaults."""
    names = [label(name) for name in quiet][::-1]
    systems = {"evidently_default": ("Evidently's defaults", PALE), "ours": ("this product", GREEN)}
    declared = [each["declared"] for each in quiet.values()][::-1]
    with canvas(0.9 + 0.26 * len(names)) as (figure, (axes,)):
        for i, (key, (told, colour)) in enumerate(systems.items()):
            values = [each[key] for each in quiet.values()][::-1]
            at = [row + 0.38 * (i - 0.5) for row in range(len(names))]
            axes.barh(at, values, color=colour, height=0.36, label=told)
            for row, value, most in zip(at, values, declared, strict=True):
                axes.text(max(value, most) + 0.01, row, f"{value:.1%}", fontsize=6, va="center")
        axes.plot(declared, range(len(names)), "|", color=ORANGE, markersize=13, label="declared")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlim(0, 1.1)
        as_percent(axes, "x")
        axes.set_xlabel("share of windows without any change that raised an alarm")
        figure.legend(loc="outside upper right", ncols=3, frameon=False)
        with_grid(axes, "x")
        return finish(figure)


def draw_estimates(months: Table) -> Markup:
    """Estimates made before outcomes, with their intervals, beside what came true."""
    names = [f"{pd.Timestamp(row[0] + '-01'):%b}" for row in months.rows]
    at = range(len(names))
    with canvas(2.3, 1, 1) as (figure, every):
        for axes, first, title in zip(every, (5, 1), ("log-loss", "ROC AUC"), strict=True):
            middle, low, high = zip(*(_estimate(row[first]) for row in months.rows), strict=True)
            spread = [[m - e for m, e in zip(middle, low, strict=True)],
                      [e - m for m, e in zip(middle, high, strict=True)]]  # fmt: skip
            axes.errorbar(
                at, middle, yerr=spread, fmt="o", color=GREY, markersize=4, elinewidth=1,
                capsize=2, label="estimated, with its interval",
            )  # fmt: skip
            true = [float(row[first + 1]) for row in months.rows]
            axes.plot(at, true, "D", color=GREEN, markersize=4, label="what came true")
            axes.set_xticks(at, names)
            axes.set_title(title)
            with_grid(axes)
        figure.legend(*every[0].get_legend_handles_labels(), loc="outside lower center", ncols=2,
                      frameon=False)  # fmt: skip
        return finish(figure)


def _estimate(text: str) -> tuple[float, float, float]:
    found = ESTIMATE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no estimate like 0.678 (0.602 to 0.753)")
    middle, low, high = map(float, found.groups())
    return middle, low, high
