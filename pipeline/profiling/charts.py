"""How pictures of a table look, and how they become SVG. The same figures give the same bytes.

Colours are told apart by people who do not see red or green. Pictures hold no raster and no
script, so that a page with them needs nothing but inline styles.
"""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

MAIN = "#2b6ca3"
PALE = "#d5dce3"
INK = "#33404d"
# Okabe and Ito, without yellow and black.
CLASS_COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#7f7f7f", "#5e3c99",
)  # fmt: skip
ACROSS = 4
CELL = (2.7, 1.95)  # inches
MARGINS = (0.5, 0.35, 0.45)  # left; above; below
NAME_LENGTH = 30

_STYLE: dict[str, Any] = {
    "svg.hashsalt": "profile",
    "svg.fonttype": "none",  # letters stay letters: smaller, searchable, in any script
    "text.parse_math": False,  # a name with dollars is a name
    "font.size": 7.5,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 4,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8c99a6",
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 2,
    "ytick.major.size": 2,
    "axes.formatter.limits": (-4, 5),
    "axes.formatter.use_mathtext": False,
    "axes.unicode_minus": False,
    "date.converter": "concise",
    "timezone": "UTC",
}


@contextmanager
def style() -> Iterator[None]:
    """Whatever is drawn inside looks alike, on every machine and whatever its matplotlibrc says."""
    with warnings.catch_warnings(), mpl.rc_context():
        # A browser has the letters that matplotlib's own font lacks.
        warnings.filterwarnings("ignore", message=r"(Glyph|Matplotlib currently does not)")
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)  # type: ignore[arg-type]  # its keys are a Literal
        yield


def svg(figure: Figure) -> str:
    """An <svg> element without date, program or identifiers, so that pages hold several."""
    text = io.StringIO()
    with style():
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    found = text.getvalue()
    found = found[found.index("<svg") :]
    return re.sub(r'<g id="[^"]*"', "<g", found)


def grid(cells: int) -> tuple[Figure, list[Axes]]:
    """Small axes in rows of ACROSS."""
    rows = -(-cells // ACROSS)
    width, height = CELL[0] * ACROSS, CELL[1] * rows
    figure = Figure((width, height))
    left, above, below = MARGINS
    axes = [
        figure.add_axes(
            (
                (i % ACROSS + left / CELL[0]) / ACROSS,
                1 - (i // ACROSS + 1 - below / CELL[1]) / rows,
                (1 - left / CELL[0] - 0.05) / ACROSS,
                (1 - (above + below) / CELL[1]) / rows,
            )
        )
        for i in range(cells)
    ]
    return figure, axes


def label(text: object, length: int = NAME_LENGTH) -> str:
    """A name or value as a picture can hold it: printable, on one line, not too long."""
    plain = "".join(
        c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in " ".join(str(text).split())
    )
    return plain if len(plain) <= length else plain[: length - 1] + "…"


def name_ticks(axes: Axes, names: list[str], length: int = 9) -> None:
    """Ticks at 0, 1, ... with names, upright where they are long; every second one of many."""
    step = 1 if len(names) <= 13 else 2
    at = np.arange(0, len(names), step)
    shown = [label(names[i], length) for i in at]
    upright = 90 if len(shown) * max(map(len, shown), default=0) > 32 else 0
    axes.set_xticks(at, shown, rotation=upright, fontsize=6)
