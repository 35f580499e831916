"""Where a model is weakest: the slices of up to two features with the largest losses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from tqdm import tqdm

from contracts.losses import row_losses
from contracts.params import Data
from contracts.schema import FeatureSchema
from pipeline.evaluation.cells import Cells, half_widths, measure_cells
from pipeline.evaluation.holdout import Floats, Integers, read_judged
from pipeline.evaluation.slices import Slicing, slice_feature

MIN_ROWS, MIN_SHARE = 30, 0.01
PAIRED_FEATURES = 12
SHOWN = 10
CONSIDERED = 500
SAME = 0.8  # share of rows that two segments may have in common (Jaccard index)
COLUMNS = ["segment", "rows", "share", "loss", "loss_rest", "difference", "low", "high", "score"]

Part = tuple[int, int]  # number of the feature, number of its slice


@dataclass(frozen=True)
class Segment:
    """Rows in every one of `parts`; `low` and `high` bound `difference`."""

    text: str
    parts: tuple[Part, ...]
    rows: int
    mean: float
    difference: float
    error: float
    low: float
    high: float


def worst_segments(
    holdout: pd.DataFrame, schema: FeatureSchema, data: Data, shown: int = SHOWN
) -> pd.DataFrame:
    """The segments whose loss is surely the largest, worst first.

    Of at least max(30, 1 %) rows, ranked by the lower bound of how much larger their loss is than
    that of all rows, so that chance does not win. The bounds hold for all segments together, 95 %.
    Of segments with mostly the same rows only the worst is shown, and a part of a shown segment
    only if it is surely worse than the whole.

    Returns:
        segment (text), rows, share (of rows), loss (mean), loss_rest (mean of all other rows),
        difference (loss minus the mean of all rows) with low and high, score (difference in
        standard errors).

    Raises:
        DatasetError: as pipeline.evaluation.holdout.read_judged.
    """
    judged = read_judged(holdout, schema, data)
    losses = row_losses(schema.target.task, judged.truths, judged.answers)
    slicings = slice_features(holdout, schema)
    ranked = rank_segments(losses, slicings, judged.blocks, against_all=True)
    kept = _distinct(ranked, slicings, shown)
    rows = [_describe(segment, losses) for segment in kept]
    return pd.DataFrame(rows, columns=COLUMNS)


def slice_features(frame: pd.DataFrame, schema: FeatureSchema) -> list[Slicing]:
    """One for each feature in schema order."""
    return [slice_feature(frame[feature.name], feature) for feature in schema.features]


def rank_segments(
    values: Floats, slicings: Sequence[Slicing], blocks: Integers, *, against_all: bool
) -> list[Segment]:
    """Every segment that is large enough, by falling lower bound of its difference.

    Args:
        values: (n,) what is averaged, larger is worse.
        blocks: (n,) as pipeline.evaluation.holdout.number_blocks.
        against_all: the difference is from the mean of all rows, else from 0.
    """
    smallest = max(MIN_ROWS, int(np.ceil(MIN_SHARE * len(values))))
    found: list[tuple[tuple[int, ...], Integers, Cells]] = []
    for features in _combinations(values, slicings):
        codes, count = _cross([slicings[i] for i in features])
        cells = measure_cells(values, codes, count, blocks, against_all=against_all)
        found.append((features, np.flatnonzero(cells.rows >= smallest), cells))
    comparisons = sum(len(kept) for _, kept, _ in found)
    segments = [
        segment
        for features, kept, cells in found
        for segment in _segments(features, kept, cells, slicings, comparisons)
    ]
    return sorted(segments, key=lambda segment: (-segment.low, segment.parts))


def _combinations(values: Floats, slicings: Sequence[Slicing]) -> Iterator[tuple[int, ...]]:
    """Every feature, then pairs of the features whose slices vary most."""
    yield from ((i,) for i in range(len(slicings)))
    spreads = [_spread(values, slicing) for slicing in slicings]
    most = sorted(range(len(slicings)), key=lambda i: (-spreads[i], i))[:PAIRED_FEATURES]
    pairs = list(combinations(sorted(most), 2))
    yield from tqdm(pairs, "segments", unit="pair")


def _spread(values: Floats, slicing: Slicing) -> float:
    """Mean square between slices, as in an analysis of variance."""
    rows = np.bincount(slicing.codes)
    means = np.bincount(slicing.codes, values) / np.maximum(rows, 1)
    between = (rows * (means - values.mean()) ** 2).sum()
    return float(between / max(int((rows > 0).sum()) - 1, 1))


def _cross(slicings: Sequence[Slicing]) -> tuple[Integers, int]:
    """Cell of each row, and the number of cells."""
    codes, count = slicings[0].codes, len(slicings[0].texts)
    for slicing in slicings[1:]:
        codes, count = codes * len(slicing.texts) + slicing.codes, count * len(slicing.texts)
    return codes, count


def _segments(
    features: tuple[int, ...],
    kept: Integers,
    cells: Cells,
    slicings: Sequence[Slicing],
    comparisons: int,
) -> Iterator[Segment]:
    widths = half_widths(cells, comparisons)
    sizes = [len(slicings[i].texts) for i in features]
    for cell in kept.tolist():
        numbers = [int(number) for number in np.unravel_index(cell, sizes)]
        parts = tuple(zip(features, numbers, strict=True))
        text = " and ".join(slicings[i].texts[number] for i, number in parts)
        difference, width = float(cells.difference[cell]), float(widths[cell])
        yield Segment(
            text,
            parts,
            int(cells.rows[cell]),
            float(cells.mean[cell]),
            difference,
            float(cells.error[cell]),
            difference - width,
            difference + width,
        )


def _distinct(ranked: Sequence[Segment], slicings: Sequence[Slicing], shown: int) -> list[Segment]:
    """The first ones that say something new.

    Neither mostly the same rows as one before, nor a part of one before that is not surely worse.
    """
    kept: list[Segment] = []
    masks: list[np.ndarray] = []
    weak = [segment for segment in ranked if segment.difference > 0]
    for segment in weak[:CONSIDERED]:
        if len(kept) == shown:
            break
        mask = np.logical_and.reduce([slicings[i].codes == code for i, code in segment.parts])
        wider = [other for other in kept if set(other.parts) < set(segment.parts)]
        if any(segment.low <= other.difference for other in wider):
            continue
        if all((mask & other).sum() <= SAME * (mask | other).sum() for other in masks):
            kept.append(segment)
            masks.append(mask)
    return kept


def _describe(segment: Segment, losses: Floats) -> list[object]:
    rest = len(losses) - segment.rows
    loss_rest = (losses.sum() - segment.mean * segment.rows) / rest if rest else np.nan
    score = segment.difference / segment.error if segment.error > 0 else np.nan
    numbers = [segment.rows / len(losses), segment.mean, loss_rest, segment.difference,
               segment.low, segment.high, score]  # fmt: skip
    return [segment.text, segment.rows, *(round(float(number), 6) for number in numbers)]
