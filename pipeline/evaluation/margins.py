"""Prediction intervals of a regression by split conformal prediction."""

import numpy as np

from pipeline.evaluation.holdout import Floats
from pipeline.frames import DatasetError


def choose_margin(truths: Floats, answers: Floats, coverage: float) -> float:
    """The margin around an answer within which the true value lies for a share `coverage`.

    It is the ceil((n + 1) * coverage)-th smallest absolute residual, which holds for fresh rows
    whatever the model and the distribution, as long as rows are exchangeable (Vovk and others,
    Algorithmic Learning in a Random World, 2005; Lei and others, "Distribution-Free Predictive
    Inference for Regression", JASA, 2018).

    Args:
        truths: (n,) of rows that the model has not learned from.
        answers: (n,) its answers to them.

    Raises:
        DatasetError: too few rows for such a coverage.
    """
    rows = len(truths)
    rank = int(np.ceil((rows + 1) * coverage - 1e-9))  # 9.000000001 is 9
    if rank > rows:
        needed = int(np.ceil(coverage / (1 - coverage) - 1e-9))
        raise DatasetError(
            f"evaluate.coverage: {coverage} needs at least {needed} rows that the model has not "
            f"learned from, not {rows}; lower it or add rows"
        )
    residuals = np.abs(np.asarray(truths) - np.asarray(answers))
    return float(np.partition(residuals, rank - 1)[rank - 1])
