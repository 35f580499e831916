"""How the report's pictures look: as wide as its column, in the style of the profile's."""

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib.ticker as ticks
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.profiling.charts import style, svg

WIDTH = 6.85  # inches: the column of an A4 page
GREEN, PALE, GREY, ORANGE, BLUE = "#1f6b43", "#b9d3c4", "#8c99a6", "#d55e00", "#0072b2"


@contextmanager
def canvas(
    height: float, *widths: float, share_y: bool = False
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure with axes beside each other, in the report's style."""
    with style():
        figure = Figure((WIDTH, height), layout="constrained")
        axes = figure.subplots(
            1, len(widths) or 1, squeeze=False, width_ratios=widths or (1,), sharey=share_y
        )
        yield figure, list(axes[0])


def finish(figure: Figure) -> Markup:
    """An <svg>, safe to be put into a page: matplotlib has escaped its texts."""
    return Markup(svg(figure))  # noqa: S704


def as_percent(axes: Axes, which: str = "y") -> None:
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_locator(ticks.MaxNLocator(6, steps=[1, 2, 5, 10]))  # no halves of a percent
    axis.set_major_formatter(ticks.PercentFormatter(1, decimals=0))


def with_grid(axes: Axes, which: str = "y") -> None:
    axes.grid(axis=which, color="#e4e7e3", linewidth=0.6)  # type: ignore[arg-type]  # a literal
    axes.set_axisbelow(True)
