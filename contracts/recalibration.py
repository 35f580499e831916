"""Recalibration: one offset for each output of a model, fitted to newer outcomes than it learned.

The offsets live in the bundle's schema, so that every process that answers applies them alike.
"""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from contracts.params import Task

Real = TypeVar("Real", np.float32, np.float64)


def shift(task: Task, answers: NDArray[Real], offsets: Sequence[float]) -> NDArray[Real]:
    """Answers with their offsets, (n, outputs), of the same dtype.

    Args:
        answers: (n, outputs) probabilities, or values of a regression.
        offsets: (outputs,) added to the logarithms of the probabilities, whose sum stays 1, or to
            the values; empty = as they are.
    """
    if not offsets:
        return answers
    moved = np.asarray(offsets, answers.dtype)
    if task == "regression":
        return answers + moved
    weighted = answers * np.exp(moved)
    return np.asarray(weighted / weighted.sum(axis=1, keepdims=True))
