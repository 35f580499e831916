"""Realised performance, from outcomes, judged by blocks of days.

Rows of one day share their weather and their day: on the flights 900 rows of a day behave like 10
independent ones (measured design effect 91), so a test over rows would alarm on noise. The
statistic is the daily mean of the excess loss: log-loss minus the entropy of the prediction. A
calibrated model has an expected excess of zero whatever the mix of easy and hard rows.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import log_loss, roc_auc_score

CLIP = 1e-6


@dataclass(frozen=True)
class Performance:
    """What outcomes say about one version in one window; None = cannot be said."""

    rows: int
    days: int
    log_loss: float | None = None
    roc_auc: float | None = None
    excess: float | None = None  # mean over days, in nats
    t: float | None = None  # the same over its standard error between days


def measure(scores: pd.DataFrame, positive: object) -> Performance:
    """Judge scored outcomes.

    Args:
        scores: event_time, probability (of the positive class), outcome (a class).
        positive: the positive class.
    """
    if scores.empty:
        return Performance(0, 0)
    target = (scores.outcome == positive).to_numpy().astype(np.int64)
    probability = scores.probability.to_numpy(float)
    daily = _excess(target, probability).groupby(scores.event_time.dt.floor("D").values).mean()
    both = len(np.unique(target)) == 2
    return Performance(
        rows=len(scores),
        days=len(daily),
        log_loss=float(log_loss(target, probability, labels=[0, 1])),
        roc_auc=float(roc_auc_score(target, probability)) if both else None,
        excess=float(daily.mean()),
        t=t_over_days(daily),
    )


def row_log_loss(target: NDArray[np.int64], probability: NDArray[np.float64]) -> pd.Series:
    """Log-loss of each row, in nats."""
    p = np.clip(probability, CLIP, 1 - CLIP)
    return pd.Series(-(target * np.log(p) + (1 - target) * np.log(1 - p)))


def t_over_days(daily: pd.Series) -> float | None:
    """Mean over standard error of daily means; None below two days or without variation."""
    spread = daily.std(ddof=1)
    if len(daily) < 2 or not spread > 1e-12:  # constant, up to rounding
        return None
    return float(daily.mean() / (spread / np.sqrt(len(daily))))


def _excess(target: NDArray[np.int64], probability: NDArray[np.float64]) -> pd.Series:
    p = np.clip(probability, CLIP, 1 - CLIP)
    entropy = -(p * np.log(p) + (1 - p) * np.log(1 - p))
    return row_log_loss(target, probability) - entropy
