"""Whether an image answers what its own bundle does: what no change of the model can excuse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from contracts.bundle import Bundle
from contracts.schema import FeatureSchema
from deploy.replaying.asking import Answer
from deploy.replaying.rows import Row


@dataclass(frozen=True)
class Served:
    """Largest difference of any score, relative beyond 1; `row`: where it is."""

    difference: float
    row: Row | None


def compare_with_bundle(
    bundle: Bundle, rows: Sequence[Row], answers: Mapping[int, Answer]
) -> Served:
    """The bundle's model, run in this process, beside what the image answered."""
    answered = [row for row in rows if row.number in answers]
    if not answered:
        return Served(0.0, None)
    expected = bundle.model().answers_of(_columns(bundle.schema, answered)).astype(np.float64)
    given = np.array([answers[row.number].scores for row in answered])
    apart = (np.abs(given - expected) / np.maximum(1.0, np.abs(expected))).max(axis=1)
    worst = int(apart.argmax())
    return Served(float(apart[worst]), answered[worst])


def _columns(schema: FeatureSchema, rows: Sequence[Row]) -> dict[str, list[object]]:
    return {name: [row.features.get(name) for row in rows] for name in schema.names}
