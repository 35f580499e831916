"""Pictures of how a model was chosen, what it looks at and where it is weakest."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.cards.charts import BLUE, GREEN, GREY, LINES, ORANGE, new_chart, text_of

BARS = 20


def search_chart(search: pd.DataFrame, folds: int) -> Figure:
    """Score of each draw, from simple to complex, and the best less one standard error.

    Args:
        search: columns candidate, mean_score, std_score over folds (higher is better), and where
            known complexity.
        folds: that each score is a mean of.
    """
    figure, axes = new_chart("Draws of the search", "draw", "score over folds")
    keys = ["complexity", "candidate"] if "complexity" in search.columns else ["candidate"]
    table = search.sort_values([*keys, "mean_score"], kind="stable", ignore_index=True)
    scores, spreads = table["mean_score"].to_numpy(float), table["std_score"].to_numpy(float)
    errors = spreads / np.sqrt(max(folds - 1, 1))
    best = int(scores.argmax())
    axes.axhspan(scores[best] - errors[best], scores[best], color=GREEN, alpha=0.15,
                 label="within one standard error of the best")  # fmt: skip
    for i, name in enumerate(dict.fromkeys(table["candidate"])):
        at = np.flatnonzero(table["candidate"] == name)
        axes.errorbar(at, scores[at], errors[at], fmt="o", markersize=4, capsize=2, linewidth=1,
                      color=LINES[i % len(LINES)], label=text_of(name))  # fmt: skip
    axes.set_xticks([])
    axes.legend(fontsize=7)
    return figure


def importance_chart(importance: pd.DataFrame) -> Figure:
    """How much the loss grows when a feature is shuffled, the largest BARS."""
    shown = importance.head(BARS).iloc[::-1]
    figure, axes = new_chart("What it looks at", "increase of loss", "", _height(len(shown)))
    names = [text_of(name, 28) for name in shown["feature"]]
    axes.barh(range(len(shown)), shown["mean"], xerr=shown["std"], color=BLUE,
              error_kw={"ecolor": GREY, "capsize": 2})  # fmt: skip
    axes.set_yticks(range(len(shown)), names)
    return figure


def segments_chart(segments: pd.DataFrame) -> Figure:
    """How much larger the loss of each segment is than that of all rows."""
    shown = segments.iloc[::-1]
    title, x = "Where it is weakest", "loss above that of all rows"
    figure, axes = new_chart(title, x, "", _height(len(shown)))
    values = shown["difference"].to_numpy(float)
    reach = np.stack([values - shown["low"], shown["high"] - values]).astype(float)
    axes.errorbar(values, range(len(shown)), xerr=np.where(np.isfinite(reach), reach, 0), fmt="o",
                  markersize=4, capsize=2, color=ORANGE)  # fmt: skip
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(range(len(shown)), [text_of(name, 44) for name in shown["segment"]])
    axes.tick_params(axis="y", labelsize=7)
    return figure


def _height(bars: int) -> float:
    return max(2.2, 0.9 + 0.24 * bars)
