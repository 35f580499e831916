"""Pictures of the features: how each is distributed, what is missing, what moves together."""

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from contracts.moments import DAY_SECONDS
from contracts.params import Kind
from pipeline.profiling.charts import MAIN, grid, label, name_ticks, style
from pipeline.profiling.profile import OTHER, ColumnProfile, Profile
from pipeline.validation.association import as_numbers

PICTURES = 60
CORRELATED = 30
MAPPED = 30
BARS = 30
CATEGORIES = 10
OUTER = (0.005, 0.995)
BLOCKS = 40
CORRELATION_ROWS = 50_000
WRITTEN = 16  # a larger heat map has no room for numbers


def distributions(profile: Profile) -> Figure | None:
    """One histogram or bar chart for each of the most relevant features; None without a value."""
    columns = [column for column in profile.relevant if column.distinct][:PICTURES]
    if not columns or profile.sample.empty:
        return None
    with style():
        figure, cells = grid(len(columns))
        for axes, column in zip(cells, columns, strict=True):
            draw_distribution(axes, profile.sample[column.name], column.kind)
            axes.set_title(label(column.name))
    return figure


def draw_distribution(axes: Axes, values: pd.Series, kind: Kind) -> None:
    """Bars of counts: categories by frequency, few distinct numbers each, many in bins."""
    known = values.dropna()
    if kind == "categorical":
        common = by_frequency(top_categories(known))
        _bars(axes, [str(name) for name in common.index], common.to_numpy())
        return
    numbers = as_numbers(known, kind)
    distinct, counts = np.unique(numbers, return_counts=True)
    if kind != "datetime" and len(distinct) <= CATEGORIES:
        _bars(axes, [f"{number:.6g}" for number in distinct], counts)
        return
    low, high = np.quantile(numbers, OUTER) if kind != "datetime" else (distinct[0], distinct[-1])
    if low == high:
        low, high = distinct[0], distinct[-1]
    edges = np.linspace(low, high, BARS + 1) if low < high else np.array([low - 0.5, low + 0.5])
    heights = np.histogram(np.clip(numbers, low, high), edges)[0]
    if kind == "datetime":
        edges = edges / DAY_SECONDS  # matplotlib counts days since 1970
        _date_ticks(axes)
    axes.bar(edges[:-1], heights, np.diff(edges), align="edge", color=MAIN)
    axes.locator_params("y", nbins=4)
    if kind != "datetime":
        axes.locator_params("x", nbins=5)


def _date_ticks(axes: Axes) -> None:
    ticks = mdates.AutoDateLocator(minticks=2, maxticks=4)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(ticks)
    written = mdates.ConciseDateFormatter(ticks)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(written)


def top_categories(values: pd.Series, most: int = CATEGORIES) -> pd.Series:
    """The commonest texts; the others become one."""
    common = values.value_counts().index[:most]
    if values.nunique() <= most:
        return values
    return values.where(values.isin(common), OTHER)


def by_frequency(values: pd.Series) -> pd.Series:
    """Counts of texts, commonest first; what stands for all others comes last."""
    counts = values.value_counts()
    return counts.loc[[*counts.index.drop(OTHER), OTHER]] if OTHER in counts.index else counts


def correlations(profile: Profile) -> Figure | None:
    """Heat map of Spearman's correlations of what is ordered; None for fewer than two columns."""
    ordered = [c for c in profile.relevant if c.kind != "categorical" and c.distinct > 1]
    names = {column.name for column in ordered[:CORRELATED]}
    shown = [column for column in profile.columns if column.name in names]
    # Keys are positions: a target may be called as no other column, a feature as anything.
    ranks = {i: _ranks(profile.sample[c.name], c.kind) for i, c in enumerate(shown)}
    titles = [label(column.name, 18) for column in shown]
    if profile.task != "multiclass" and profile.answers.nunique() > 1:
        ranks[len(shown)] = _ranks(profile.answers, answer_kind(profile))
        titles.append(label(profile.target.name, 18) + " (target)")
    if len(titles) < 2:
        return None
    step = max(1, len(profile.sample) // CORRELATION_ROWS)
    matrix = pd.DataFrame(ranks).iloc[::step].corr().to_numpy()
    return _heat_map(matrix, titles)


def missing_map(profile: Profile) -> Figure | None:
    """Share missing of each column, by blocks of rows in the table's order; None if none is."""
    gaps = [column for column in profile.columns if 0 < column.missing]
    gaps = sorted(gaps, key=lambda column: -column.missing)[:MAPPED]
    if not gaps or profile.sample.empty:
        return None
    blocks = np.arange(len(profile.sample)) * BLOCKS // len(profile.sample)
    shares = np.stack([_shares(profile.sample[column.name], blocks) for column in gaps])
    with style():
        figure = Figure((10.8, 0.9 + 0.2 * len(gaps)))
        axes = figure.add_axes(_within(figure, left=2.0, below=0.45, above=0.15))
        mesh = axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1)
        axes.set_yticks(np.arange(len(gaps)) + 0.5, [_gap_label(column) for column in gaps])
        axes.set_xticks([0, shares.shape[1]], ["first row", "last row"])
        axes.invert_yaxis()
        _colour_scale(figure, mesh, "share missing")
    return figure


def _shares(values: pd.Series, blocks: np.ndarray) -> np.ndarray:
    shares: np.ndarray = values.isna().groupby(blocks).mean().to_numpy()
    return shares


def _gap_label(column: ColumnProfile) -> str:
    return f"{label(column.name, 20)} · {column.missing:.1%}"


def _ranks(values: pd.Series, kind: Kind) -> pd.Series:
    return pd.Series(as_numbers(values, kind)).rank()


def answer_kind(profile: Profile) -> Kind:
    """As what the target is drawn."""
    return "numeric" if profile.task == "regression" else "categorical"


def _bars(axes: Axes, names: list[str], counts: np.ndarray) -> None:
    axes.bar(range(len(names)), counts, 0.85, color=MAIN)
    name_ticks(axes, names)
    axes.locator_params("y", nbins=4)


def _heat_map(matrix: np.ndarray, titles: list[str]) -> Figure:
    size = len(titles)
    with style():
        side = max(2.2, (0.44 if size <= WRITTEN else 0.28) * size)
        names = 0.3 + 0.06 * max(map(len, titles))  # inches
        figure = Figure((side + names + 1, side + names + 0.1))
        axes = figure.add_axes(_within(figure, left=names, below=names, above=0.1))
        mesh = axes.pcolormesh(np.nan_to_num(matrix), cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set_yticks(np.arange(size) + 0.5, titles)
        axes.set_xticks(np.arange(size) + 0.5, titles, rotation=90)
        axes.invert_yaxis()
        _colour_scale(figure, mesh, "Spearman's correlation")
        if size <= WRITTEN:
            for (i, j), value in np.ndenumerate(np.nan_to_num(matrix).round(2) + 0.0):
                axes.text(j + 0.5, i + 0.5, f"{value:.2f}", ha="center", va="center", fontsize=6,
                          color="white" if abs(value) > 0.6 else "black")  # fmt: skip
    return figure


def _within(
    figure: Figure, left: float, below: float, above: float, right: float = 1.0
) -> tuple[float, float, float, float]:
    """Axes with these margins, in inches."""
    width, height = figure.get_size_inches()
    return (left / width, below / height, 1 - (left + right) / width, 1 - (below + above) / height)


def _colour_scale(figure: Figure, mesh: QuadMesh, title: str) -> None:
    width, height = figure.get_size_inches()
    bottom, top = figure.axes[0].get_position().y0, figure.axes[0].get_position().y1
    scale = figure.add_axes((1 - 0.85 / width, bottom, 0.13 / width, top - bottom))
    bar = figure.colorbar(mesh, cax=scale, label=title)
    if bar.solids is not None:  # a raster in the picture would need a wider policy
        bar.solids.set_rasterized(False)
        bar.solids.set_edgecolor("face")
