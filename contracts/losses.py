"""What a wrong answer costs, the same for training, the gate and monitoring."""

import numpy as np
from numpy.typing import NDArray

from contracts.params import Task

CLIP = 1e-6


def row_losses(
    task: Task, truths: NDArray[np.float64], answers: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Loss of each row, float64 (n,): log-loss in nats, or the absolute error of a regression.

    Args:
        truths: (n,) as Target.truths.
        answers: (n, outputs) as Target.outputs.
    """
    if task == "regression":
        return np.abs(truths - answers[:, 0])
    chosen = answers[np.arange(len(answers)), truths.astype(np.int64)]
    return -np.log(np.clip(chosen, CLIP, 1 - CLIP))


def expected_losses(answers: NDArray[np.float64]) -> NDArray[np.float64]:
    """What each row's log-loss would be on average if its probabilities were true, (n,)."""
    p = np.clip(answers, CLIP, 1 - CLIP)
    entropy: NDArray[np.float64] = -(answers * np.log(p)).sum(axis=1)
    return entropy
