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
        t: `added` over its standard error; None = too few blocks, or no difference.
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
    daily: float | None = None,
) -> Beside:
    """Let both answer what was asked in [since, until) and has an outcome, whoever answered it.

    Args:
        versions: as they were trained.
        recalibrate: both are judged as they would have been recalibrated; None = as they are.
        daily: standard deviation of what the second one adds, between days that were seen before;
            None = unknown.
    """
    before = timedelta()
    if recalibrate is not None:  # what both would have been by on the first day
        before = timedelta(days=recalibrate.days, hours=recalibrate.mature_hours)
    rows = read_labelled(connection, until, since - before, MAX_ROWS)
    inside = (rows[EVENT_TIME] >= pd.Timestamp(since)).to_numpy()
    if not inside.any():
        return Beside()
    first, second = (losses_of(bundle, rows, recalibrate)[inside] for bundle in versions)
    hours = rows[EVENT_TIME][inside].dt.floor("h").dt.tz_localize(None).to_numpy()
    least = (daily or 0.0) / np.sqrt(max(1.0, (until - since) / timedelta(days=1)))
    return beside(first, second - first, hours, least)


def losses_of(
    bundle: Bundle, rows: pd.DataFrame, recalibrate: Recalibrate | None
) -> NDArray[np.float64]:
    """(n,) of labelled rows, as the model would have been recalibrated; None = as it is."""
    target = bundle.schema.target
    truths = target.truths(rows[OUTCOME].tolist())
    answers = bundle.model().answers_of(rows).astype(float)
    if recalibrate is not None:
        labelled = Labelled(target.task, rows[EVENT_TIME], truths, answers)
        answers = follow(labelled, recalibrate)
    return row_losses(target.task, truths, answers)


def beside(
    losses: NDArray[np.float64],
    added: NDArray[np.float64],
    hours: NDArray[np.datetime64],
    least_error: float,
) -> Beside:
    """The mean of rows, those of an hour taken as dependent.

    Hours of a day are alike, too, and a day or two do not tell how much days differ. So what they
    differed by before is the least that the standard error can be.

    Args:
        losses, added: (n,) of the first version, and what the second one adds.
        hours: (n,)
    """
    mean, rows = float(added.mean()), len(added)
    _, place = np.unique(hours, return_inverse=True)
    sums = np.bincount(place, added - mean)
    number = len(sums)
    error = np.sqrt(np.sum(sums**2) * number / (number - 1)) / rows if number > 1 else 0.0
    t = float(mean / max(error, least_error)) if error > 1e-12 else None
    return Beside(rows, number, float(losses.mean()), mean, t)
