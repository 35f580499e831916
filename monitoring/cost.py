"""What broken columns cost: the loss on rows as they came, less that on the same rows repaired."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from contracts.losses import CLIP, row_losses
from contracts.schema import FeatureSchema
from monitoring.daily import Days, day_means

Matrix = NDArray[np.float64]


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
    errors: Matrix,
) -> Cost:
    """What is to be expected if the answers to the repaired rows are right.

    Of classes the divergence of Kullback and Leibler. Of a number, how much larger the errors
    become once the answers have moved.

    Args:
        errors: of a regression, of rows before, (k,): truth less answer.
    """
    if schema.target.task == "regression":
        moved = (came - repaired)[:, 0]
        usual = np.resize(errors, len(moved))
        return Cost(broken, None, float((np.abs(usual - moved) - np.abs(usual)).mean()))
    gap = np.log(np.clip(repaired, CLIP, 1)) - np.log(np.clip(came, CLIP, 1))
    return Cost(broken, None, float((repaired * gap).sum(axis=1).mean()))
