"""How far the newest mature outcomes are from what was expected, and what follows for today.

Chances are shifted by an offset of their logarithm for each class, expected errors by a factor.
Rows of one day share what made them differ, so the belief that nothing has changed weighs as much
as some days, whatever their rows. The fit itself is also that of recalibrations, which weigh it by
a ridge of their own.
"""

import numpy as np
from numpy.typing import NDArray

from contracts.params import Task

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]
Days = NDArray[np.int64]

BELIEF_DAYS = 2.0  # so many days without a change stand against those that were seen
BELIEF_ROWS = 10.0  # and so many rows
NEAR_DAYS = 2.0  # what is passing is seen so long before, where outcomes take a day
_STEPS = 20
_ENOUGH = 1e-4
_SLACK = 1e-9  # of a sum that is rounded


def follow(
    task: Task, days: Days, seen: Matrix, truths: Matrix, seen_days: Days,
    *, mature_days: int, offset_days: int, fades: bool = False,
) -> Matrix:  # fmt: skip
    """What the outcomes that were mature before each day began speak for, (n, outputs) shifts.

    Args:
        days: (n,) of the rows that are to be shifted.
        seen, truths: (m, outputs) beliefs of rows whose truth is known, and these truths as chances
            (figures.certain), of `seen_days` (m,).
        mature_days: outcomes of younger rows do not count.
        offset_days: so many of the newest days count.
        fades: what was seen says the less, the more days have gone by since.
    """
    found = np.zeros((len(days), seen.shape[1]))
    order = np.argsort(seen_days, kind="stable")
    different, firsts = np.unique(seen_days[order], return_index=True)
    for day in np.unique(days):
        end = int(np.searchsorted(different, day - mature_days))  # of the days before
        start = max(0, end - offset_days)
        if start < end:
            last = firsts[end] if end < len(firsts) else len(order)
            known = order[firsts[start] : last]
            unchanged = faded(int(day - different[end - 1])) if fades else BELIEF_DAYS
            shift = fit_offset(task, seen[known], truths[known], end - start, unchanged)
            found[days == day] = shift
    return found


def faded(gap: int) -> float:
    """Days without a change that stand against days seen so long before, `gap` at least 1."""
    return BELIEF_DAYS * (gap / NEAR_DAYS) ** 2


def fit_offset(
    task: Task, beliefs: Matrix, truths: Matrix, days: int, unchanged: float = BELIEF_DAYS
) -> Vector:
    """The shift of log-chances, or log-errors, that rows of so many days speak for, (outputs,).

    Args:
        unchanged: so many days without a change stand against them.
    """
    unseen = unchanged / days
    if task == "regression":
        usual = float(beliefs.mean())
        more = unseen * usual + BELIEF_ROWS / len(beliefs) * usual
        return np.array([np.log((float(truths.mean()) + more) / (usual + more))])
    spread = (beliefs * (1 - beliefs)).mean(axis=0)
    return fit_chances(beliefs, truths.sum(axis=0), spread * (len(beliefs) * unseen + BELIEF_ROWS))


def fit_chances(beliefs: Matrix, seen: Vector, ridge: Vector) -> Vector:
    """The shift of log-chances of the largest penalised likelihood, (classes,), by Newton's steps.

    A step that goes too far, as on rows that are all of one class, is halved.

    Args:
        beliefs: (n, classes), each row up to a factor.
        seen: (classes,) how many rows turned out to be of each.
        ridge: (classes,) above 0; half of it times the square of the shift is the penalty.
    """
    shift = np.zeros(beliefs.shape[1])
    loss, chances = _penalised(beliefs, seen, ridge, shift)
    for _ in range(_STEPS):
        slope = chances.sum(axis=0) - seen + ridge * shift
        bend = np.diag(chances.sum(axis=0) + ridge) - chances.T @ chances
        step = np.linalg.solve(bend, slope)
        while (found := _penalised(beliefs, seen, ridge, shift - step))[0] > loss + _SLACK:
            step /= 2
        shift, (loss, chances) = shift - step, found
        if np.abs(step).max() < _ENOUGH:
            break
    return shift


def _penalised(beliefs: Matrix, seen: Vector, ridge: Vector, shift: Vector) -> tuple[float, Matrix]:
    """The loss up to a constant, and the shifted chances."""
    weights = beliefs * np.exp(shift)
    sums = weights.sum(axis=1, keepdims=True)
    loss = np.log(sums).sum() - seen @ shift + (ridge * shift**2).sum() / 2
    return float(loss), weights / sums


def apply_offset(task: Task, beliefs: Matrix, shift: Vector) -> Matrix:
    """Beliefs with log-chances, or log-errors, moved by `shift`, one for all rows or for each."""
    moved = beliefs * np.exp(shift)
    if task == "regression":
        return np.asarray(moved)
    return np.asarray(moved / moved.sum(axis=1, keepdims=True))
