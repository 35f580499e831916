"""Cuts what is empty off the lower end of a picture, and makes pictures small for git."""

from pathlib import Path

import matplotlib.image as images
import numpy as np
from PIL import Image

MARGIN = 24  # rows of pixels that stay


def trim(picture: Path) -> None:
    """Cut the rows at the bottom that all look like the last one."""
    pixels = images.imread(picture)
    empty = (pixels == pixels[-1, -1]).all(axis=(1, 2))
    filled = np.flatnonzero(~empty)
    if filled.size:
        images.imsave(picture, np.ascontiguousarray(pixels[: filled[-1] + MARGIN]))


def keep_small(pictures: Path, kept: Path) -> None:
    """Copy every PNG with 64 colours, a tenth of its bytes; enough for pages."""
    kept.mkdir(parents=True, exist_ok=True)
    for picture in sorted(pictures.glob("*.png")):
        with Image.open(picture) as opened:
            opened.convert("RGB").quantize(64).save(kept / picture.name, optimize=True)
