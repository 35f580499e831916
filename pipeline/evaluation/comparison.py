"""A bundle against the champion, on held-out rows that neither has learned from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from contracts.bundle import Bundle, load_bundle
from contracts.bundle_files import MANIFEST
from contracts.losses import row_losses
from contracts.params import Data
from contracts.schema import FeatureSchema
from pipeline.evaluation.cells import half_widths, measure_cells
from pipeline.evaluation.holdout import Floats, Judged, read_judged
from pipeline.evaluation.points import measure_points, round_figure
from pipeline.frames import DatasetError

MIN_ROWS = 100


class IncomparableError(ValueError):
    """There is no champion, or it cannot answer the held-out rows fairly; the message says why."""


@dataclass(frozen=True)
class Comparison:
    """Both models on the same rows.

    Attributes:
        version: the champion's.
        fresh: the rows, a part of the hold-out frame.
        judged: the rows with the recipe's answers.
        answers: (n, outputs) of the champion.
        excess: (n,) loss of the recipe minus the champion's, negative where it is better.
    """

    version: str
    fresh: pd.DataFrame
    judged: Judged
    answers: Floats
    excess: Floats


def find_champion(directory: Path) -> Bundle | None:
    """The verified bundle in `directory` or in the one directory within it; None = there is none.

    Raises:
        BundleError: it is damaged.
        DatasetError: there are several.
    """
    if (directory / MANIFEST).exists():
        return load_bundle(directory)
    found = sorted(directory.glob("[!.]*")) if directory.is_dir() else []
    if len(found) > 1:
        names = [path.name for path in found]
        raise DatasetError(f"{directory} holds {names}; leave the champion's bundle only")
    return load_bundle(found[0]) if found else None


def compare(
    holdout: pd.DataFrame, schema: FeatureSchema, champion: Bundle | None, data: Data
) -> Comparison:
    """Let the champion answer the held-out rows that are later than all it has learned from.

    Raises:
        IncomparableError: no champion, other features, another target, or too few such rows.
        DatasetError: as pipeline.evaluation.holdout.read_judged.
    """
    if champion is None:
        raise IncomparableError("there is no champion to compare with")
    _require_same_question(schema, champion)
    until = pd.Timestamp(champion.manifest["trained_until"])
    fresh = holdout[holdout[data.time_column] > until].reset_index(drop=True)
    if len(fresh) < MIN_ROWS:
        raise IncomparableError(
            f"only {len(fresh)} held-out rows are later than those that the champion "
            f"{champion.version} has learned from; {MIN_ROWS} are needed"
        )
    judged = read_judged(fresh, schema, data)
    answers = champion.model().answers_of(fresh).astype(np.float64)
    losses = [row_losses(schema.target.task, judged.truths, a) for a in (judged.answers, answers)]
    return Comparison(champion.version, fresh, judged, answers, losses[0] - losses[1])


def mean_excess(comparison: Comparison) -> tuple[float, float, float]:
    """Mean of `excess` with the bounds of its 95 % interval, paired over rows, days or groups."""
    everything = np.zeros(len(comparison.excess), np.int64)
    cells = measure_cells(
        comparison.excess, everything, 1, comparison.judged.blocks, against_all=False
    )
    mean, width = float(cells.mean[0]), float(half_widths(cells, 1)[0])
    return mean, mean - width, mean + width


def summarise(
    comparison: Comparison, schema: FeatureSchema, champion: FeatureSchema
) -> Mapping[str, Any]:
    """For the model card: version, rows, excess, low, high, and measures of both by name.

    Raises:
        DatasetError: the rows have only one class.
    """
    mean, low, high = (round_figure(value) for value in mean_excess(comparison))
    judged = comparison.judged
    theirs = Judged(judged.truths, comparison.answers, judged.baselines, judged.blocks)
    return {
        "version": comparison.version,
        "rows": len(comparison.fresh),
        "excess": mean,
        "low": low,
        "high": high,
        "measures": measure_points(judged, schema.target),
        "champion_measures": measure_points(theirs, champion.target),
    }


def _require_same_question(schema: FeatureSchema, champion: Bundle) -> None:
    own, theirs = schema.target, champion.schema.target
    if (own.name, own.task, own.outputs) != (theirs.name, theirs.task, theirs.outputs):
        raise IncomparableError(
            f"the champion {champion.version} answers {theirs.name!r} ({theirs.task}, "
            f"{theirs.outputs}), this model {own.name!r} ({own.task}, {own.outputs})"
        )
    kinds = {feature.name: feature.kind for feature in schema.features}
    other = [f.name for f in champion.schema.features if kinds.get(f.name) != f.kind]
    if other:
        raise IncomparableError(
            f"the champion {champion.version} needs features that the table lacks or holds as "
            f"another kind: {other}"
        )
