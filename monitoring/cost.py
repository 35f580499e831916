"""What broken columns cost: the loss on rows as they came, less that on the same rows repaired."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from contracts.losses import CLIP, row_losses
from contracts.schema import FeatureSchema
from monitoring.daily import Days, day_means

Matrix = NDArray[np.float64]

NEARLY_FREE = 1000.0  # of a penalty; without any, answers that are always right would have no fit


@dataclass(frozen=True)
class Cost:
    """Of all broken columns together.

    Attributes:
        broken: column -> what is wrong with it, in words.
        realised: loss a row added on each day, (days,); None = no outcomes.
        amount: its mean over rows; without outcomes what is to be expected.
    """

    broken: Mapping[str, str]
    realised: Matrix | None
    amount: float


def realised_cost(
    schema: FeatureSchema,
    broken: Mapping[str, str],
    truths: Matrix,
    days: Days,
    came: Matrix,
    repaired: Matrix,
) -> Cost:
    """What outcomes say.

    Args:
        truths: (n,) as Target.truths.
        came, repaired: answers to the rows, (n, outputs).
    """
    task = schema.target.task
    more = row_losses(task, truths, came) - row_losses(task, truths, repaired)
    return Cost(broken, day_means(more, days), float(more.mean()))


def expected_cost(
    schema: FeatureSchema,
    broken: Mapping[str, str],
    came: Matrix,
    repaired: Matrix,
    truths: Matrix,
    answers: Matrix,
) -> Cost:
    """What is to be expected if the answers to the repaired rows are right, once calibrated.

    Of classes the difference of log-loss; were the answers right as they are, it would be the
    divergence of Kullback and Leibler. Of a number, how much larger the errors become once the
    answers have moved.

    Args:
        truths, answers: of rows before, (k,) and (k, outputs).
    """
    if schema.target.task == "regression":
        moved = (came - repaired)[:, 0]
        usual = np.resize(truths - answers[:, 0], len(moved))
        return Cost(broken, None, float((np.abs(usual - moved) - np.abs(usual)).mean()))
    gap = np.log(np.clip(repaired, CLIP, 1)) - np.log(np.clip(came, CLIP, 1))
    likely = calibrated(truths, answers, repaired)
    return Cost(broken, None, float((likely * gap).sum(axis=1).mean()))


def calibrated(truths: Matrix, answers: Matrix, asked: Matrix) -> Matrix:
    """Chances of each class for answers `asked`, by what came of `answers` before, (n, classes).

    Platt's scaling (1999) of the log-chances, which knows whether the champion has become too sure
    or not sure enough, and whether a class has become more common. Answers stay as they are where
    a class has never come.
    """
    if len(np.unique(truths)) < answers.shape[1]:
        return asked
    scaling = LogisticRegression(C=NEARLY_FREE, max_iter=1000).fit(_log_odds(answers), truths)
    return np.asarray(scaling.predict_proba(_log_odds(asked)))


def _log_odds(answers: Matrix) -> Matrix:
    logs = np.log(np.clip(answers, CLIP, 1))
    return np.asarray(logs[:, 1:] - logs[:, :1])
