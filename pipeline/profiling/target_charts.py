"""Pictures of the target: how it is distributed, how it goes with each feature and with time."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.profiling.charts import CLASS_COLOURS, INK, MAIN, PALE, grid, label, name_ticks, style
from pipeline.profiling.feature_charts import (
    PICTURES,
    answer_kind,
    by_frequency,
    draw_distribution,
    top_categories,
)
from pipeline.profiling.profile import CLASSES, ColumnProfile, Profile
from pipeline.validation.association import as_numbers

BINS = 10
MISSING = "(missing)"
MARKED = 60  # more periods are a line without points


def target_distribution(profile: Profile) -> Figure | None:
    """Rows of each class, or a histogram; None without a target."""
    if not profile.answers.notna().any():
        return None
    with style():
        figure = Figure((5.4, 2.6))
        axes = figure.add_axes((0.11, 0.25, 0.86, 0.65))
        draw_distribution(axes, profile.answers, answer_kind(profile))
        axes.set_ylabel("rows of the sample")
    return figure


def target_by_feature(profile: Profile) -> Figure | None:
    """Mean target, or the share of each class, by bins and categories of each feature."""
    columns = [column for column in profile.relevant if column.distinct > 1][:PICTURES]
    if not columns or not profile.answers.notna().any():
        return None
    averaged = averaged_target(profile)
    with style():
        figure, cells = grid(len(columns))
        for axes, column in zip(cells, columns, strict=True):
            bins = _bins(profile.sample[column.name], column)
            _draw_rates(axes, bins, averaged, column.kind != "categorical")
            axes.set_title(_title(column))
        _legend(figure, averaged)
    return figure


def averaged_target(profile: Profile) -> dict[str, pd.Series]:
    """What is averaged: the target itself, or whether a row is of the class (of two: the last)."""
    answers = profile.answers
    if profile.task == "regression":
        return {"mean": answers}
    classes = profile.classes[-1:] if len(profile.classes) == 2 else profile.classes[:CLASSES]
    return {name: (answers == name).astype(np.float64).where(answers.notna()) for name in classes}


def over_time(profile: Profile) -> Figure | None:
    """Rows, and mean target or share of each class, per period; None without a timestamp."""
    table = profile.by_time
    if table is None:
        return None
    with style():
        figure = Figure((10.8, 3.6))
        above = figure.add_axes((0.06, 0.6, 0.92, 0.34))
        below = figure.add_axes((0.06, 0.1, 0.92, 0.38), sharex=above)
        starts = table.index.to_numpy()
        above.fill_between(starts, table["rows"].to_numpy(), step="mid", color=MAIN)
        above.set_ylim(bottom=0)
        above.set_title("rows")
        above.tick_params(labelbottom=False)
        lines = {str(name): table[name] for name in table.columns if name != "rows"}
        for colour, (name, values) in zip(_colours(lines), lines.items(), strict=False):
            marker = "o" if len(table) <= MARKED else ""
            below.plot(starts, values.to_numpy(), color=colour, marker=marker, markersize=2.5,
                       linewidth=1.2, label=label(name, 20))  # fmt: skip
        below.set_title(rate_name(profile))
        if len(lines) > 1:
            below.legend(ncols=len(lines), frameon=False, loc="upper left", fontsize=6.5)
    return figure


def rate_name(profile: Profile) -> str:
    """What the lines of a picture are."""
    if profile.task == "regression":
        return f"mean of {label(profile.target.name)}"
    if len(profile.classes) == 2:
        return f"share of {label(profile.target.name)} = {label(profile.classes[-1])}"
    return f"share of each class of {label(profile.target.name)}"


@dataclass(frozen=True)
class _Bins:
    """`at`: int (n,), the number of each row's bin; the last name is of missing values."""

    names: list[str]
    at: np.ndarray


def _bins(values: pd.Series, column: ColumnProfile) -> _Bins:
    """Rows by category, by value where these are few, else in bins of about as many rows each."""
    if column.kind == "categorical":
        names = top_categories(values.dropna())
        order = [str(name) for name in by_frequency(names).index]
        return _named(names.reindex(values.index), order)
    numbers = pd.Series(as_numbers(values, column.kind))
    distinct = np.unique(numbers.dropna())
    if column.kind != "datetime" and len(distinct) <= BINS:
        at = np.searchsorted(distinct, numbers)  # what is missing comes last
        return _Bins([*(f"{number:.6g}" for number in distinct), MISSING], at)
    edges = _edges(numbers.dropna().to_numpy(), distinct)
    at = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
    starts = [_edge(edge, column) for edge in edges[:-1]]
    return _Bins([*starts, MISSING], np.where(numbers.isna(), len(starts), at))


def _named(texts: pd.Series, names: list[str]) -> _Bins:
    codes = pd.Index(names).get_indexer(pd.Index(texts))
    return _Bins([*names, MISSING], np.where(codes < 0, len(names), codes))


def _edges(numbers: np.ndarray, distinct: np.ndarray) -> np.ndarray:
    """Starts of the bins and the end of the last; a value of many rows has a bin of its own."""
    at = np.searchsorted(distinct, numbers)
    common = int(np.bincount(at).argmax())
    if np.mean(at == common) <= 2 / BINS:
        return np.unique(np.quantile(numbers, np.linspace(0, 1, BINS + 1)))
    others = np.quantile(numbers[at != common], np.linspace(0, 1, BINS), method="lower")
    return np.unique([*distinct[common : common + 2], *others, distinct[-1]])


def _edge(edge: float, column: ColumnProfile) -> str:
    if column.kind == "datetime":
        return f"≥{pd.Timestamp(edge, unit='s'):%y-%m-%d}"
    return f"≥{edge:.4g}"


def _draw_rates(axes: Axes, bins: _Bins, averaged: Mapping[str, pd.Series], ordered: bool) -> None:
    counts = np.bincount(bins.at, minlength=len(bins.names))
    used = np.flatnonzero(counts)
    behind = axes.twinx()
    behind.bar(range(len(used)), counts[used], 0.85, color=PALE)
    behind.set_ylim(0, counts.max() * 1.6)  # bars stay low
    behind.set_yticks([])
    axes.set_zorder(behind.get_zorder() + 1)
    axes.patch.set_visible(False)
    joined = used if ordered else used[:0]
    joined = joined[joined < len(bins.names) - 1]  # what is missing is no next step
    for colour, values in zip(_colours(averaged), averaged.values(), strict=False):
        means = values.groupby(bins.at).mean()
        axes.plot(range(len(used)), means.reindex(used).to_numpy(), "o", color=colour, markersize=3)
        axes.plot(range(len(joined)), means.reindex(joined).to_numpy(), color=colour, linewidth=1.2)
    name_ticks(axes, [bins.names[i] for i in used])
    axes.locator_params("y", nbins=4)


def _colours(lines: Mapping[str, object]) -> tuple[str, ...]:
    return (CLASS_COLOURS[1],) if len(lines) == 1 else CLASS_COLOURS


def _title(column: ColumnProfile) -> str:
    if column.association is None:
        return label(column.name)
    return f"{label(column.name, 22)} · {column.association:.2f}"


def _legend(figure: Figure, averaged: Mapping[str, object]) -> None:
    if len(averaged) == 1:
        return
    for colour, name in zip(_colours(averaged), averaged, strict=False):
        figure.axes[0].plot([], [], color=colour, label=label(name, 14))
    figure.axes[0].legend(fontsize=6, frameon=False, labelcolor=INK, loc="best")
