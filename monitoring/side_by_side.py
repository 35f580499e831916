"""Two versions answer the same logged rows again: what one costs beside the other."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sqlalchemy import Connection

from contracts.bundle import Bundle
from contracts.losses import row_losses
from contracts.monitoring_params import Recalibrate
from contracts.schema import EVENT_TIME, OUTCOME
from monitoring.recalibration import Labelled, follow
from monitoring.windows import read_labelled

MAX_ROWS = 200_000


@dataclass(frozen=True)
class Beside:
    """What the second version costs, on `rows` with outcomes that fall into `blocks`.

    Attributes:
        loss: of the first one, a row; nats, or a regression's unit.
        added: by the second one, a row; negative = it saves.
        t: `added` over its standard error, rows of a block taken as dependent; None = too few
            blocks, or no difference.
    """

    rows: int = 0
    blocks: int = 0
    loss: float = 0.0
    added: float = 0.0
    t: float | None = None

    @property
    def cost(self) -> float:
        """Share of the first one's loss that the second one adds."""
        return self.added / self.loss if self.loss > 0 else float(np.sign(self.added))


def compare(
    connection: Connection,
    versions: tuple[Bundle, Bundle],
    since: datetime,
    until: datetime,
    recalibrate: Recalibrate | None,
    block: str = "h",
) -> Beside:
    """Let both answer what was asked in [since, until) and has an outcome, whoever answered it.

    Args:
        versions: as they were trained.
        recalibrate: both are judged as they would have been recalibrated; None = as they are.
        block: of event time, as pandas names it.
    """
    before = timedelta()
    if recalibrate is not None:  # what both would have been by on the first day
        before = timedelta(days=recalibrate.days, hours=recalibrate.mature_hours)
    rows = read_labelled(connection, until, since - before, MAX_ROWS)
    inside = (rows[EVENT_TIME] >= pd.Timestamp(since)).to_numpy()
    if not inside.any():
        return Beside()
    first, second = (_losses(bundle, rows, recalibrate)[inside] for bundle in versions)
    blocks = rows[EVENT_TIME][inside].dt.floor(block).dt.tz_localize(None).to_numpy()
    return _compare(first, second - first, blocks)


def _losses(
    bundle: Bundle, rows: pd.DataFrame, recalibrate: Recalibrate | None
) -> NDArray[np.float64]:
    target = bundle.schema.target
    truths = target.truths(rows[OUTCOME].tolist())
    answers = bundle.model().answers_of(rows).astype(float)
    if recalibrate is not None:
        labelled = Labelled(target.task, rows[EVENT_TIME], truths, answers)
        answers = follow(labelled, recalibrate)
    return row_losses(target.task, truths, answers)


def _compare(
    losses: NDArray[np.float64], added: NDArray[np.float64], blocks: NDArray[np.datetime64]
) -> Beside:
    """The mean of rows, and its standard error by whole blocks, which may differ in size."""
    mean, rows = float(added.mean()), len(added)
    _, place = np.unique(blocks, return_inverse=True)
    sums = np.bincount(place, added - mean)
    number = len(sums)
    error = np.sqrt(np.sum(sums**2) * number / (number - 1)) / rows if number > 1 else 0.0
    t = float(mean / error) if error > 1e-12 else None
    return Beside(rows, number, float(losses.mean()), mean, t)
