"""Windows of the past whose outcomes are known: how far off an estimate of each would have been."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.monitoring_params import EstimateParams
from contracts.params import Task
from monitoring.figures import figures
from monitoring.offsets import apply_offset, follow

Matrix = NDArray[np.float64]
Days = NDArray[np.int64]
Places = NDArray[np.intp]

MIN_ROWS = 100  # fewer rows say nothing
BLOCKS = 10  # if the past has fewer windows, shorter ones stand in: they are off by more
GAP_DAYS = 7  # without any row: what follows is another stretch of time
CHUNKS = 12  # of rows that do not depend on each other


@dataclass(frozen=True)
class Rows:
    """n rows that were answered by a model which had not learned from them.

    Attributes:
        days: (n,) from the end of the window that is estimated, -1 is its last.
        answers: (n, outputs).
        beliefs: (n, outputs) before outcomes move them; of a regression (n, 1).
        truths: the same as figures.certain gives them; empty where none is known.
    """

    days: Days
    answers: Matrix
    beliefs: Matrix
    truths: Matrix


@dataclass(frozen=True)
class Moved:
    """Beliefs and what outcomes have to say of them.

    Attributes:
        days: (n,) as Rows.
        beliefs: (n, outputs) before outcomes move them.
        lasting, recent: (n, outputs) shifts (offsets.apply_offset), of many days, and of what the
            newest days show beside.
    """

    days: Days
    beliefs: Matrix
    lasting: Matrix
    recent: Matrix

    def take(self, rows: Places) -> "Moved":
        return Moved(self.days[rows], self.beliefs[rows], self.lasting[rows], self.recent[rows])


def join(first: Rows, second: Rows) -> Rows:
    """All rows of both."""
    names = ("days", "answers", "beliefs", "truths")
    return Rows(*(np.concatenate([getattr(first, n), getattr(second, n)]) for n in names))


def move(
    task: Task, rows: Rows, past: Rows, params: EstimateParams, seen: Moved | None = None
) -> Moved:
    """Beliefs of `rows` after the outcomes that were mature before each of their days.

    What lasts is followed first, over many days, then what is left of the newest few.

    Args:
        seen: the same of `past`; None = the rows are the past.
    """
    lasting = follow(task, rows.days, past.beliefs, past.truths, past.days,
                     mature_days=params.mature_days, offset_days=params.lasting_days)  # fmt: skip
    before = apply_offset(task, past.beliefs, lasting if seen is None else seen.lasting)
    recent = follow(task, rows.days, before, past.truths, past.days, mature_days=params.mature_days,
                    offset_days=params.recent_days, fades=True)  # fmt: skip
    return Moved(rows.days, rows.beliefs, lasting, recent)


def expect(task: Task, answers: Matrix, moved: Moved) -> dict[str, float]:
    """Figures to be expected, as figures.figures.

    The ROC AUC takes the newest lasting shift for all rows: shifts that differ from day to day
    would only blur it.
    """
    shifts = moved.lasting + moved.recent
    found = figures(task, answers, apply_offset(task, moved.beliefs, shifts))
    if "roc_auc" in found:
        shared = moved.lasting[np.argmax(moved.days)]
        ranked = apply_offset(task, moved.beliefs, shared)
        found["roc_auc"] = figures(task, answers, ranked)["roc_auc"]
    return found


def misses(
    task: Task,
    past: Rows,
    moved: Moved,
    length: int,
    size: int,
    *,
    independent_rows: bool = False,
) -> dict[str, list[float]]:
    """Realised minus estimated figures of every window of the past.

    Args:
        past: reference and outcomes so far, and what was expected of them.
        length: days of a window.
        size: rows of the window that is estimated; fewer rows are noisier.
    """
    blocks = _chunks(past.days, size) if independent_rows else _blocks(past.days, length, size)
    found: dict[str, list[float]] = {}
    for rows, scale in blocks:
        realised = figures(task, past.answers[rows], past.truths[rows])
        expected = expect(task, past.answers[rows], moved.take(rows))
        for name in realised.keys() & expected.keys():
            found.setdefault(name, []).append(scale * (realised[name] - expected[name]))
    return found


def _blocks(days: Days, length: int, size: int) -> Iterator[tuple[Places, float]]:
    """Neighbouring days before the window that is estimated, thinned to its rows."""
    earlier = np.unique(days[days < -length])
    length = min(length, max(1, len(earlier) // BLOCKS))
    for run in np.split(earlier, np.flatnonzero(np.diff(earlier) > GAP_DAYS) + 1):
        if not len(run):
            return
        for end in range(int(run[-1]) + 1, int(run[0]) + length - 1, -length):
            rows = np.flatnonzero((days >= end - length) & (days < end))
            if len(rows) >= MIN_ROWS:
                yield rows[:: max(1, len(rows) // size)], 1.0


def _chunks(days: Days, size: int) -> Iterator[tuple[Places, float]]:
    """Every twelfth row; the error of a mean falls with the root of its rows."""
    if len(days) < CHUNKS * MIN_ROWS:
        return
    for first in range(CHUNKS):
        rows = np.arange(first, len(days), CHUNKS)
        yield rows, float(np.sqrt(min(1.0, len(rows) / size)))
