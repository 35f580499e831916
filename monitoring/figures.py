"""How good answers are, where truths are known, and where only their chances are.

Chances of 0 and 1 are truths, and give the realised figures. Calibrated probabilities give the
figures to expect: confidence-based performance estimation, CBPE (Białek, Kuberski, Perrakis and
Bifet 2024, arXiv 2401.08348). What stands for a regression's chances is the absolute error of each
row, realised or expected.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from contracts.losses import CLIP, row_losses
from contracts.params import Task

Matrix = NDArray[np.float64]
Figures = Mapping[str, float]


def figures(task: Task, answers: Matrix, chances: Matrix) -> dict[str, float]:
    """`loss` (log-loss in nats, or mean absolute error), `brier` of classes, `roc_auc` of two.

    Args:
        answers: (n, outputs) as Target.outputs, n at least 1.
        chances: (n, outputs) of each class; or (n, 1) absolute errors.

    Returns:
        Without `roc_auc` where every row is of one class. The Brier score of two classes is the
        positive one's; of more the sum over classes.
    """
    if task == "regression":
        return {"loss": float(chances.mean())}
    logs = np.log(np.clip(answers, CLIP, 1 - CLIP))
    squares = (answers**2).sum(axis=1) - 2 * (answers * chances).sum(axis=1) + 1
    found = {"loss": -float((chances * logs).sum(axis=1).mean()), "brier": float(squares.mean())}
    if task == "multiclass":
        return found
    found["brier"] /= 2  # two classes miss by the same
    area = _roc_auc(answers[:, 1], chances[:, 1])
    return found if area is None else {**found, "roc_auc": area}


def certain(task: Task, truths: NDArray[np.float64], answers: Matrix) -> Matrix:
    """Truths as chances, (n, outputs); of a regression its absolute errors, (n, 1).

    Args:
        truths: (n,) as Target.truths.
    """
    if task == "regression":
        return row_losses(task, truths, answers)[:, None]
    return np.asarray(np.eye(answers.shape[1])[truths.astype(np.int64)])


def _roc_auc(answers: NDArray[np.float64], chances: NDArray[np.float64]) -> float | None:
    """How often a positive row is answered higher than a negative one, ties half.

    A row is no pair with itself, though by chance it may be either.
    """
    places = np.unique(answers, return_inverse=True)[1]
    positive = np.bincount(places, chances)
    negative = np.bincount(places, 1 - chances)
    itself = float((chances * (1 - chances)).sum())
    pairs = float(positive.sum() * negative.sum()) - itself
    if pairs <= 1e-9 * len(answers) ** 2:
        return None
    below = negative.cumsum() - negative / 2
    return (float((positive * below).sum()) - itself / 2) / pairs
