"""Cuts what is empty off the lower end of a picture."""

from pathlib import Path

import matplotlib.image as images
import numpy as np

MARGIN = 24  # rows of pixels that stay


def trim(picture: Path) -> None:
    """Cut the rows at the bottom that all look like the last one."""
    pixels = images.imread(picture)
    empty = (pixels == pixels[-1, -1]).all(axis=(1, 2))
    filled = np.flatnonzero(~empty)
    if filled.size:
        images.imsave(picture, np.ascontiguousarray(pixels[: filled[-1] + MARGIN]))
