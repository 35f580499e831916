"""Realised performance, from outcomes, judged by blocks of days.

Rows of one day share their weather and their day: on the flights 900 rows of a day behave like 10
independent ones (measured design effect 91), so a test over rows would alarm on noise. The
statistic is the daily mean of the excess loss: log-loss minus the entropy of the answered
probabilities, whose expectation is zero for a calibrated model whatever the mix of easy and hard
rows; or a regression's absolute error minus the one that evaluation found.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from contracts.losses import expected_losses, row_losses
from contracts.params import Task
from contracts.schema import EVENT_TIME, OUTCOME, FeatureSchema


@dataclass(frozen=True)
class Performance:
    """What outcomes say about one version in one window; None = cannot be said."""

    rows: int
    days: int
    loss: float | None = None  # log-loss in nats, or mean absolute error
    roc_auc: float | None = None  # of a binary target
    excess: float | None = None  # mean over days, in the loss's unit
    t: float | None = None  # the same over its standard error between days


def measure(
    scores: pd.DataFrame, schema: FeatureSchema, expected_error: float | None = None
) -> Performance:
    """Judge scored outcomes.

    Args:
        scores: EVENT_TIME, schema.answers, OUTCOME (a class, or a number).
        expected_error: only of a regression: its mean absolute error as evaluation found it;
            without it there is no excess to judge.
    """
    if scores.empty:
        return Performance(0, 0)
    target = schema.target
    truths = target.truths(scores[OUTCOME].tolist())
    answers = scores[schema.answers].to_numpy(float)
    losses = row_losses(target.task, truths, answers)
    days = scores[EVENT_TIME].dt.floor("D").to_numpy()
    found = Performance(len(scores), len(np.unique(days)), float(losses.mean()),
                        _roc_auc(target.task, truths, answers))  # fmt: skip
    if target.task == "regression" and expected_error is None:
        return found
    usual = expected_losses(answers) if expected_error is None else expected_error
    daily = pd.Series(losses - usual).groupby(days).mean()
    return replace(found, excess=float(daily.mean()), t=t_over_days(daily))


def _roc_auc(task: Task, truths: np.ndarray, answers: np.ndarray) -> float | None:
    if task != "binary" or len(np.unique(truths)) < 2:
        return None
    return float(roc_auc_score(truths, answers[:, 1]))


def t_over_days(daily: pd.Series) -> float | None:
    """Mean over standard error of daily means; None below two days or without variation."""
    spread = daily.std(ddof=1)
    if len(daily) < 2 or not spread > 1e-12:  # constant, up to rounding
        return None
    return float(daily.mean() / (spread / np.sqrt(len(daily))))
