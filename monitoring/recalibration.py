"""Which offset the newest outcomes ask for, and whether following them so has helped. Pure.

A level that moved (more delays this week) is most of what makes a model stale, and needs no new
model: one offset for each output, pulled towards none by a ridge, follows it within hours. It is
judged as it is used: each day of the past is answered with the offset that the days before it
would have given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.losses import CLIP, row_losses
from contracts.monitoring_params import Recalibrate
from contracts.params import Task
from contracts.recalibration import shift
from contracts.schema import VERSION, FeatureSchema
from monitoring.offsets import fit_chances
from monitoring.performance import t_over_days

DECIMALS = 4  # of an offset, so that equal ones give equal bundles
LEVEL_RIDGE = 1.0  # keeps an offset finite where all outcomes are the same
_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Labelled:
    """Rows that have an outcome, oldest first, and what the model answers without offsets.

    Attributes:
        times: (n,) aware UTC.
        truths: (n,) as Target.truths.
        answers: (n, outputs).
    """

    task: Task
    times: pd.Series
    truths: NDArray[np.float64]
    answers: NDArray[np.float64]

    def between(self, start: pd.Timestamp, end: pd.Timestamp) -> slice:
        """Places of the rows from `start` until before `end`."""
        first, last = self.times.searchsorted([start, end])
        return slice(int(first), int(last))


@dataclass(frozen=True)
class Proposal:
    """The offsets that should apply from now on, and why; empty = none.

    Attributes:
        rows: that they were fitted on.
        days: over which following the outcomes was judged.
        saved: loss a row and day that it saved there.
        t: the same over its standard error between days.
    """

    offsets: tuple[float, ...]
    change: bool
    reason: str
    rows: int
    days: int = 0
    saved: float | None = None
    t: float | None = None


def propose(
    labelled: Labelled, current: Sequence[float], now: pd.Timestamp, params: Recalibrate
) -> Proposal:
    """Fit offsets on the newest mature outcomes, unless following them has been shown to hurt.

    Args:
        current: the offsets that apply today.
        now: aware UTC.
    """
    newest = _window(labelled, now, params)
    rows = newest.stop - newest.start
    if rows < params.min_rows:
        why = f"only {rows} mature outcomes in {params.days} days; {params.min_rows} are asked for"
        return Proposal(tuple(current), False, why, rows)
    daily = _saved(labelled, now, params)
    t = t_over_days(daily)
    if len(daily) < params.min_days or t is None:
        why = f"too few days to judge it: {len(daily)}; {params.min_days} are asked for"
        return Proposal(tuple(current), False, why, rows, len(daily))
    helps = t > params.min_t
    offsets = _fit(labelled, newest, params.ridge) if helps else ()
    saved = float(daily.mean())
    change = _distance(labelled, newest, current, offsets) >= params.least_change
    reason = _reason(offsets, rows, saved, t, len(daily))
    return Proposal(offsets if change else tuple(current), change, reason, rows, len(daily),
                    saved, t)  # fmt: skip


def as_trained(
    rows: pd.DataFrame, schema: FeatureSchema, offsets: Mapping[str, Sequence[float]]
) -> pd.DataFrame:
    """The rows that one model has answered, with its answers as they are without offsets.

    Args:
        rows: VERSION and schema.answers, and whatever else.
        offsets: of each version of the model, see registry.family.
    """
    own = rows[rows[VERSION].isin(list(offsets))].copy()
    for version, its in offsets.items():
        if its:
            answered = own[VERSION] == version
            answers = own.loc[answered, schema.answers].to_numpy(float)
            back = [-value for value in its]
            own.loc[answered, schema.answers] = shift(schema.target.task, answers, back)
    return own


def follow(labelled: Labelled, params: Recalibrate) -> NDArray[np.float64]:
    """What would have been answered had each day followed the outcomes before it, (n, outputs)."""
    answers = labelled.answers.copy()
    for day in labelled.times.dt.floor("D").unique():
        window = _window(labelled, day, params)
        if window.stop - window.start >= params.min_rows:
            place = labelled.between(day, day + _DAY)
            offsets = _fit(labelled, window, params.ridge)
            answers[place] = shift(labelled.task, answers[place], offsets)
    return answers


def levelled(
    task: Task,
    blocks: NDArray[np.int64],
    truths: NDArray[np.float64],
    answers: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The answers with the offset that suits each block best, (n, outputs).

    It takes out what recalibration would follow, and leaves what only a model can know.

    Args:
        blocks: (n,)
        truths: (n,) as Target.truths.
        answers: (n, outputs)
    """
    found = answers.copy()
    times = pd.Series(pd.NaT, range(len(truths)))
    for block in np.unique(blocks):
        own = blocks == block
        part = Labelled(task, times[own], truths[own], answers[own])
        found[own] = shift(task, answers[own], _fit(part, slice(None), LEVEL_RIDGE))
    return found


def _window(labelled: Labelled, now: pd.Timestamp, params: Recalibrate) -> slice:
    end = now - pd.Timedelta(hours=params.mature_hours)
    return labelled.between(end - pd.Timedelta(days=params.days), end)


def _saved(labelled: Labelled, now: pd.Timestamp, params: Recalibrate) -> "pd.Series[float]":
    """Mean loss a row that following would have saved, of each judged day that it touched."""
    end = now - pd.Timedelta(hours=params.mature_hours)
    known = labelled.between(end - pd.Timedelta(days=params.judged_days + params.days), end)
    part = Labelled(labelled.task, labelled.times[known].reset_index(drop=True),
                    labelled.truths[known], labelled.answers[known])  # fmt: skip
    followed = follow(part, params)
    touched = (followed != part.answers).any(axis=1)
    losses = [row_losses(part.task, part.truths, each) for each in (part.answers, followed)]
    saved = pd.Series(losses[0] - losses[1])[touched]
    daily: pd.Series[float] = saved.groupby(part.times[touched].dt.floor("D").to_numpy()).mean()
    return daily


def _fit(labelled: Labelled, place: slice, ridge: float) -> tuple[float, ...]:
    truths, answers = labelled.truths[place], labelled.answers[place]
    if labelled.task == "regression":
        # The median is what the absolute error asks for; shrunk as a mean by a ridge would be.
        middle = np.median(truths - answers[:, 0]) * len(truths) / (len(truths) + ridge)
        return (round(float(middle), DECIMALS),)
    seen = np.bincount(truths.astype(np.int64), minlength=answers.shape[1])
    # A binary target's log-odds move by the difference of its two offsets, on which the penalty
    # is the usual half of ridge times its square.
    both = np.full(answers.shape[1], 2 * ridge)
    found = fit_chances(np.clip(answers, CLIP, 1), seen.astype(float), both)
    return tuple(round(float(value), DECIMALS) for value in found)


def _distance(
    labelled: Labelled, place: slice, first: Sequence[float], second: Sequence[float]
) -> float:
    """How far two offsets are apart: log-odds, or shares of a regression's mean absolute error."""
    outputs = labelled.answers.shape[1]
    both = [np.asarray(each if each else np.zeros(outputs)) for each in (first, second)]
    apart = both[0] - both[1]
    if labelled.task != "regression":
        return float(np.ptp(apart))
    error = np.abs(labelled.truths[place] - labelled.answers[place][:, 0]).mean()
    return float(np.abs(apart[0]) / max(error, CLIP))


def _reason(offsets: Sequence[float], rows: int, saved: float, t: float, days: int) -> str:
    verb = "would have saved" if saved > 0 else "would have cost"
    told = f"{verb} {abs(saved):.4f} loss a row over {days} days (t = {t:.1f})"
    if not offsets:
        return f"the model answers as it was trained: following the outcomes {told}"
    values = ", ".join(f"{value:+.2f}" for value in offsets)
    return f"offsets {values} from {rows} outcomes; following the outcomes {told}"
