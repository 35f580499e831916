"""One-row requests to both processes in turn, so that what disturbs the machine disturbs both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contracts.schema import FeatureSchema
from deploy.replaying.asking import body_of
from deploy.replaying.door import Door
from deploy.replaying.rows import Row

WARM_UP = 20  # requests of each that do not count


@dataclass(frozen=True)
class Times:
    """Of one process, milliseconds a request."""

    p50: float
    p99: float


def measure(
    doors: tuple[Door, Door], schemas: tuple[FeatureSchema, FeatureSchema],
    rows: Sequence[Row], requests: int,
) -> tuple[Times, Times]:  # fmt: skip
    """Champion's and candidate's times; who is first alternates.

    Raises:
        BrokenDoorError: a process ended.
    """
    taken: tuple[list[float], list[float]] = ([], [])
    for number in range(requests + WARM_UP):
        row = rows[number % len(rows)]
        for side in (0, 1) if number % 2 else (1, 0):
            reply = doors[side].ask("POST", "/predict", body_of([row], schemas[side]))
            taken[side].append(reply.seconds * 1000)
    return _times(taken[0][WARM_UP:]), _times(taken[1][WARM_UP:])


def _times(taken: Sequence[float]) -> Times:
    p50, p99 = np.percentile(taken, [50, 99])
    return Times(float(p50), float(p99))
