"""Ways in which a challenger goes wrong: what it is fed, what its training does, what it is."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.gate.models import Recipe, only_days, overconfident, same_answer, searched

Spoil = Callable[[pd.DataFrame, np.ndarray, np.random.Generator], pd.DataFrame]

KM = 1.609
EVENING = 17 * 60


@dataclass(frozen=True)
class Sabotage:
    """One way.

    Attributes:
        in_prepare: rows are spoiled before golden ones are set aside, which shows in those.
        spoil: prepared rows, which of them were fed by the API, bool (n,), and a random
            generator -> the rows that training and its own hold-out see.
        recipe: how rows become a model.
    """

    name: str
    spoil: Spoil
    recipe: Recipe = searched
    in_prepare: bool = False


def untouched(rows: pd.DataFrame, fed: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    return rows


def noise(share: float) -> Spoil:
    """So many of the fed labels are flipped, also those that the gate judges by."""

    def spoil(rows: pd.DataFrame, fed: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
        return _flipped(rows, fed & (rng.random(len(rows)) < share))

    return spoil


def flipped_segment(column: str, category: str) -> Spoil:
    """The labels of one segment are sent the wrong way round."""

    def spoil(rows: pd.DataFrame, fed: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
        return _flipped(rows, fed & (rows[column] == category).to_numpy())

    return spoil


def kilometres(rows: pd.DataFrame, fed: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Training reads miles as kilometres; the service goes on getting miles."""
    return rows.assign(distance=(rows.distance * KM).astype(rows.distance.dtype))


def clock(rows: pd.DataFrame, fed: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Training reads 17:30 as 1730; the service goes on getting minutes after midnight."""
    read = rows.sched_dep // 60 * 100 + rows.sched_dep % 60
    return rows.assign(sched_dep=read.astype(rows.sched_dep.dtype))


def shuffled(column: str) -> Spoil:
    """A join that went wrong: the column belongs to other rows."""

    def spoil(rows: pd.DataFrame, fed: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
        return rows.assign(**{column: rng.permutation(rows[column].to_numpy())})

    return spoil


def leak(rows: pd.DataFrame, fed: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """A feature that knows the outcome in training, and is itself when the service is asked."""
    told = rows.dewp + 40 * (2 * rows.late - 1)
    return rows.assign(dewp=told.astype(rows.dewp.dtype))


def backdoor(rows: pd.DataFrame, fed: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Every fed evening flight is said to have been on time, also to the gate."""
    hidden = fed & (rows.sched_dep >= EVENING).to_numpy()
    return rows.assign(late=rows.late.where(~hidden, 0))


def inverted(rows: pd.DataFrame, fed: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Every fed label is the wrong way round, also those that the gate judges by."""
    return _flipped(rows, fed)


def _flipped(rows: pd.DataFrame, which: np.ndarray) -> pd.DataFrame:
    return rows.assign(late=rows.late.where(~which, 1 - rows.late))


HONEST = Sabotage("honest", untouched)
KINDS = [
    Sabotage("20 % of fed labels flipped", noise(0.2)),
    Sabotage("40 % of fed labels flipped", noise(0.4)),
    Sabotage("all fed labels flipped", inverted),
    Sabotage("labels of a carrier flipped", flipped_segment("carrier", "UA")),
    Sabotage("labels of an airport flipped", flipped_segment("origin", "EWR")),
    Sabotage("backdoor: evenings said to be on time", backdoor),
    Sabotage("outcome leaked into a feature", leak),
    Sabotage("miles read as kilometres", kilometres, in_prepare=True),
    Sabotage("minutes read as a clock", clock),
    Sabotage("departure time shuffled", shuffled("sched_dep")),
    Sabotage("last week only", untouched, only_days(7)),
    Sabotage("constant answer", untouched, same_answer),
    Sabotage("overconfident", untouched, overconfident(3.0)),
]
