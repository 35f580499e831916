"""What a model card is written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from contracts.params import Params
from contracts.schema import FeatureSchema
from pipeline.cards.charts import to_svg
from pipeline.cards.document import Picture
from pipeline.evaluation.holdout import Floats, Judged, read_judged


@dataclass(frozen=True)
class CardFacts:
    """What a model card is written from.

    Attributes:
        schema: with the threshold or the margin that is served.
        chosen: candidate, values (its parameters), calibration ("none" or a method).
        metrics: of pipeline.evaluation.measures.measure.
        origin: rows, trained_from and trained_until (ISO 8601).
        holdout: the hold-out frame.
        segments: of pipeline.evaluation.segments.worst_segments.
        importance: of pipeline.evaluation.importance.permutation_importance.
        search: candidate, values, mean_score, std_score, and where known complexity, of each draw.
        parity: largest difference of ONNX and scikit-learn; None = served from model.skops.
        skops_reason: then, why: a sentence.
        champion: of pipeline.evaluation.comparison.summarise, or None.
        findings: of the validation, one mapping each; the keys of the first are the columns.
        uncalibrated: (n, classes) answers to the hold-out frame without calibration, or None.
    """

    schema: FeatureSchema
    params: Params
    chosen: Mapping[str, Any]
    metrics: Mapping[str, Any]
    origin: Mapping[str, Any]
    holdout: pd.DataFrame
    segments: pd.DataFrame
    importance: pd.DataFrame
    search: pd.DataFrame
    parity: float | None
    skops_reason: str = ""
    champion: Mapping[str, Any] | None = None
    findings: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    uncalibrated: Floats | None = None

    @cached_property
    def judged(self) -> Judged:
        """The hold-out frame as arrays."""
        return read_judged(self.holdout, self.schema, self.params.data)


def figure(value: float | None) -> str:
    """A measure as people read it."""
    if value is None or value != value:
        return "undefined"
    if value == 0 or 0.001 <= abs(value) < 10:
        return f"{value:.4f}"
    return f"{value:,.2f}" if 10 <= abs(value) < 1e9 else f"{value:.3g}"


def interval(bounds: Sequence[float | None] | None) -> str:
    """Low to high."""
    return f"{figure(bounds[0])} to {figure(bounds[1])}" if bounds else ""


def draw(chart: Figure, text: str) -> Picture:
    """A chart as a picture of the card; `text` says in words what it shows."""
    return Picture(to_svg(chart), text)
