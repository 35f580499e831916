"""What single predictions turned out to be worth, once their outcomes are known; pure functions."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contracts.losses import row_losses
from contracts.schema import Target


class Judged(NamedTuple):
    """One prediction beside its outcome.

    Attributes:
        loss: see contracts.losses.
        right: 1.0 or 0.0; None for a regression.
        bias: predicted minus observed: of the value, of the positive class's probability, or of
            the probability of the class that was predicted.
    """

    prediction_id: str
    outcome_id: int
    version: str
    recorded_at: datetime
    loss: float
    right: float | None
    bias: float


def judge(target: Target, version: str, rows: Sequence[Any]) -> list[Judged]:
    """Judge rows of one version; those whose outcome the target cannot have are left out.

    Args:
        rows: outcomes joined with their predictions, as the database has them.
    """
    known = [(row, outcome) for row in rows if _can_be(target, outcome := json.loads(row.outcome))]
    if not known:
        return []
    truths = target.truths([outcome for _, outcome in known])
    answers = np.array([_answers(target, row) for row, _ in known], np.float64)
    losses = row_losses(target.task, truths, answers).tolist()
    rights, biases = _rights(target, truths, answers, [row for row, _ in known])
    return [
        Judged(row.prediction_id, row.outcome_id, version, row.recorded_at, loss, right, bias)
        for (row, _), loss, right, bias in zip(known, losses, rights, biases, strict=True)
    ]


def _can_be(target: Target, outcome: object) -> bool:
    if target.task == "regression":
        return isinstance(outcome, int | float)
    return outcome in target.classes


def _answers(target: Target, row: Any) -> list[float]:
    """One row of what the model answered, as Target.outputs has it."""
    if target.task == "regression":
        return [float(json.loads(row.prediction))]
    if target.task == "binary":
        return [1 - row.probability, row.probability]
    scores: list[float] = json.loads(row.scores)
    return scores


def _rights(
    target: Target, truths: NDArray[np.float64], answers: NDArray[np.float64], rows: list[Any]
) -> tuple[list[float | None], list[float]]:
    """Whether each row was right, and its bias."""
    if target.task == "regression":
        nothing: list[float | None] = [None] * len(rows)
        return nothing, (answers[:, 0] - truths).tolist()
    predicted = target.truths([json.loads(row.prediction) for row in rows])
    right = (predicted == truths).astype(np.float64)
    if target.task == "binary":
        return right.tolist(), (answers[:, 1] - truths).tolist()
    confidence = answers[np.arange(len(rows)), predicted.astype(np.int64)]
    return right.tolist(), (confidence - right).tolist()
