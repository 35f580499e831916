"""How far the newest mature outcomes are from what was expected, and what follows for today.

Chances are shifted by an offset of their logarithm for each class, expected errors by a factor.
Rows of one day share what made them differ, so the belief that nothing has changed weighs as much
as some days, whatever their rows.
"""

import numpy as np
from numpy.typing import NDArray

from contracts.params import Task

Matrix = NDArray[np.float64]
Days = NDArray[np.int64]

BELIEF_DAYS = 2.0  # so many days without a change stand against those that were seen
BELIEF_ROWS = 10.0  # and so many rows
_STEPS = 20
_ENOUGH = 1e-4


def follow(
    task: Task, beliefs: Matrix, days: Days, seen: Matrix, truths: Matrix, seen_days: Days,
    *, mature_days: int, offset_days: int,
) -> Matrix:  # fmt: skip
    """Beliefs of each day, shifted by the outcomes that were mature before that day began.

    Args:
        beliefs: (n, outputs) of rows of `days` (n,).
        seen, truths: (m, outputs) beliefs of rows whose truth is known, and these truths as chances
            (figures.certain), of `seen_days` (m,).
        mature_days: outcomes of younger rows do not count.
        offset_days: so many of the newest days count.
    """
    found = beliefs.copy()
    order = np.argsort(seen_days, kind="stable")
    different, firsts = np.unique(seen_days[order], return_index=True)
    for day in np.unique(days):
        end = int(np.searchsorted(different, day - mature_days))  # of the days before
        start = max(0, end - offset_days)
        if start < end:
            last = firsts[end] if end < len(firsts) else len(order)
            known, rows = order[firsts[start] : last], days == day
            shift = fit_offset(task, seen[known], truths[known], end - start)
            found[rows] = apply_offset(task, beliefs[rows], shift)
    return found


def fit_offset(task: Task, beliefs: Matrix, truths: Matrix, days: int) -> NDArray[np.float64]:
    """The shift of log-chances, or log-errors, that rows of so many days speak for, (outputs,)."""
    unseen = BELIEF_DAYS / days
    if task == "regression":
        usual = float(beliefs.mean())
        more = unseen * usual + BELIEF_ROWS / len(beliefs) * usual
        return np.array([np.log((float(truths.mean()) + more) / (usual + more))])
    spread = (beliefs * (1 - beliefs)).mean(axis=0)
    ridge = np.diag(spread * (len(beliefs) * unseen + BELIEF_ROWS))
    shift = np.zeros(beliefs.shape[1])
    for _ in range(_STEPS):
        chances = apply_offset(task, beliefs, shift)
        slope = (chances - truths).sum(axis=0) + ridge @ shift
        bend = np.diag(chances.sum(axis=0)) - chances.T @ chances + ridge
        step = np.linalg.solve(bend, slope)
        shift -= step
        if np.abs(step).max() < _ENOUGH:
            break
    return shift


def apply_offset(task: Task, beliefs: Matrix, shift: NDArray[np.float64]) -> Matrix:
    """Beliefs with log-chances, or log-errors, moved by `shift`."""
    moved = beliefs * np.exp(shift)
    if task == "regression":
        return np.asarray(moved)
    return np.asarray(moved / moved.sum(axis=1, keepdims=True))
