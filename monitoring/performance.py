"""Realised performance, from outcomes, judged by blocks of days.

Rows of one day share their weather and their day: on the flights 900 rows of a day behave like 10
independent ones (measured design effect 91), so a test over rows would alarm on noise. The
statistic is the daily mean of the excess loss: log-loss minus the entropy of the answered
probabilities, whose expectation is zero for a calibrated model whatever the mix of easy and hard
rows; or a regression's absolute error minus the one that evaluation found.
"""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from contracts.losses import expected_losses, row_losses
from contracts.params import Task
from contracts.schema import EVENT_TIME, OUTCOME, FeatureSchema
from monitoring.intervals import Interval, jackknife_days

ALL = slice(None)


@dataclass(frozen=True)
class Performance:
    """What outcomes say about one version in one window; None = cannot be said.

    Intervals hold the value of days like these in 95 %, see intervals.py.
    """

    rows: int
    days: int
    loss: float | None = None  # log-loss in nats, or mean absolute error
    roc_auc: float | None = None  # of a binary target
    excess: float | None = None  # mean over days, in the loss's unit
    t: float | None = None  # the same over its standard error between days
    expected: float | None = None  # the loss of such answers, if they are right about themselves
    loss_interval: Interval | None = None
    roc_auc_interval: Interval | None = None
    excess_interval: Interval | None = None


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
    auc = partial(_roc_auc, target.task, truths, answers)
    found = Performance(len(scores), len(np.unique(days)), float(losses.mean()), auc(),
                        loss_interval=jackknife_days(lambda kept: losses[kept].mean(), days),
                        roc_auc_interval=jackknife_days(auc, days))  # fmt: skip
    if target.task == "regression" and expected_error is None:
        return found
    usual = expected_losses(answers) if expected_error is None else expected_error
    daily = pd.Series(losses - usual).groupby(days).mean()
    means = daily.to_numpy()
    return replace(
        found,
        excess=float(daily.mean()),
        t=t_over_days(daily),
        expected=float(np.mean(usual)),
        excess_interval=jackknife_days(lambda kept: means[kept].mean(), daily.index.to_numpy()),
    )


def _roc_auc(
    task: Task,
    truths: NDArray[np.float64],
    answers: NDArray[np.float64],
    kept: NDArray[np.bool_] | slice = ALL,
) -> float | None:
    if task != "binary" or len(np.unique(truths[kept])) < 2:
        return None
    return float(roc_auc_score(truths[kept], answers[kept, 1]))


def t_over_days(daily: pd.Series) -> float | None:
    """Mean over standard error of daily means; None below two days or without variation."""
    spread = daily.std(ddof=1)
    if len(daily) < 2 or not spread > 1e-12:  # constant, up to rounding
        return None
    return float(daily.mean() / (spread / np.sqrt(len(daily))))
