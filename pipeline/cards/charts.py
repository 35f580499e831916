"""Charts as SVG files that are the same bytes for the same figure; no display, no global state."""

import io
import warnings

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline.evaluation.texts import plain

BLUE, ORANGE, GREY, GREEN = "#0072b2", "#d55e00", "#8a8a8a", "#009e73"
LINES = [BLUE, ORANGE, GREEN, "#cc79a7", "#56b4e9", "#e69f00", "#000000", "#b0a000"]
WIDTH, HEIGHT = 5.4, 3.8  # inches


def new_chart(title: str, x: str, y: str, height: float = HEIGHT) -> tuple[Figure, Axes]:
    """An empty chart with its texts; they may hold anything."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(text_of(title), fontsize=11, loc="left")
    axes.set_xlabel(text_of(x), fontsize=9)
    axes.set_ylabel(text_of(y), fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e4e4", linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def text_of(text: object, longest: int = 40) -> str:
    """One line in which a dollar sign begins no formula, and no underscore hides it in a legend."""
    line = plain(text, longest).replace("$", r"\$")
    return f" {line}" if line.startswith("_") else line


def to_svg(figure: Figure) -> bytes:
    """The SVG file: no date, repeatable ids."""
    file = io.BytesIO()
    # Texts stay texts (any alphabet, by the reader's fonts); the salt makes ids repeat.
    style = matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "perennial"})
    with style, warnings.catch_warnings():
        # A letter that the measuring font lacks is still drawn, by the reader's font.
        warnings.filterwarnings("ignore", r"Glyph .* missing from font", UserWarning)
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()
