"""Drift weighed by the champion's importance: a change that it does not look at weighs nothing.

Causes stay ranked by how surprising they are, for the first of them is where to look; this says
beside it which of them can matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from monitoring.drift_state import Drift


@dataclass(frozen=True)
class Weight:
    """One cause.

    Attributes:
        effect: share of rows by which it changed, 0 to 1.
        importance: of the column, of all columns' together, 0 to 1.
        weight: effect times importance.
    """

    column: str
    effect: float
    importance: float
    weight: float


@dataclass(frozen=True)
class Weighed:
    """All causes.

    Attributes:
        drift: sum of their weights: 0 = nothing that the champion looks at changed, 1 = all of it.
        causes: as ranked; the answers, which are no column that it looks at, are left out.
    """

    drift: float
    causes: tuple[Weight, ...]


def weigh_causes(inputs: Drift, influence: Mapping[str, float]) -> Weighed | None:
    """Weigh what was found.

    Args:
        influence: of measure_influence.

    Returns:
        None: the importance is not known.
    """
    total = sum(influence.values())
    if not total:
        return None
    effects: dict[str, float] = {}
    found = [(each.column, each.changed) for each in inputs.faults]
    found += [(each.column, each.effect) for each in inputs.compared]
    for column, effect in found:
        effects[column] = max(effect, effects.get(column, 0.0))
    causes = []
    for column in inputs.causes:
        if column in influence and column in effects:
            share, effect = influence[column] / total, min(effects[column], 1.0)
            weight = round(share * effect, 5)
            causes.append(Weight(column, round(effect, 5), round(share, 5), weight))
    return Weighed(round(sum(each.weight for each in causes), 5), tuple(causes))
