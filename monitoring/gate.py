"""Decides whether a challenger may be promoted. Pure: both answers on rows that neither learned."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.losses import expected_losses, row_losses
from contracts.monitoring_params import Gate, GoldenGate
from contracts.params import Task
from monitoring.golden import GoldenVerdict
from monitoring.intervals import Interval, jackknife_days
from monitoring.performance import t_over_days
from monitoring.reliance import Forgotten
from monitoring.segments import Segment, hurt_segments

_DAY = "D"
# t over days of what outcomes cost the champion beyond what it expected of itself. Real changes
# differ from day to day (at most 3.8 on the flights, also for poor models); labels that are wrong
# at random surprise it on all days alike (at least 7.4 with one in five flipped).
MOST_SURPRISE = 5.0


@dataclass(frozen=True)
class Verdict:
    """Positive `saved` and `t` favour the challenger; losses per row: nats, or a regression's unit.

    Attributes:
        saved: loss a row, mean of days.
        interval: of `saved`, 95 %.
        surprise: t over days of the champion's loss beyond its own expectation; see MOST_SURPRISE.
        hurt: segments for which it is clearly worse; any refuses it.
        golden: the verdict on golden rows; None = neither has any.
    """

    promote: bool
    reason: str
    rows: int
    days: int
    champion_loss: float | None = None
    challenger_loss: float | None = None
    t: float | None = None
    saved: float | None = None
    interval: Interval | None = None
    surprise: float | None = None
    hurt: tuple[Segment, ...] = ()
    golden: GoldenVerdict | None = None


def judge(
    task: Task,
    timestamps: pd.Series,
    truths: NDArray[np.float64],
    champion: NDArray[np.float64],
    challenger: NDArray[np.float64],
    gate: Gate,
    categories: pd.DataFrame | None = None,
) -> Verdict:
    """Compare both by the loss that the challenger saves per day, paired over days.

    Args:
        timestamps: (n,) aware; rows of one UTC day form one block.
        truths: (n,) as Target.truths.
        champion: (n, outputs) its answers.
        challenger: (n, outputs) the answers of its recipe, fitted on other rows only.
        categories: (n, columns) whose values are segments; None = segments are not judged.
    """
    days = timestamps.dt.floor(_DAY).to_numpy()
    rows, blocks = len(truths), len(np.unique(days))
    if rows < gate.min_rows or blocks < gate.min_days:
        reason = (
            f"not enough to judge: {rows} rows on {blocks} days that neither has learned from; "
            f"the gate asks for {gate.min_rows} on {gate.min_days}"
        )
        return Verdict(False, reason, rows, blocks)
    before, after = (row_losses(task, truths, answers) for answers in (champion, challenger))
    daily = pd.Series(before - after).groupby(days).mean()
    t, means = t_over_days(daily), daily.to_numpy()
    interval = jackknife_days(lambda kept: means[kept].mean(), daily.index.to_numpy())
    better = t is not None and t > gate.min_t
    hurt = [] if categories is None else hurt_segments(categories, days, before, after, gate)
    reason = _reason(float(means.mean()), blocks, t, interval, gate)
    if hurt:
        reason = f"{_named(hurt)}; {reason}"
    return Verdict(better and not hurt, reason, rows, blocks, float(before.mean()),
                   float(after.mean()), t, float(means.mean()), interval,
                   _surprise(task, champion, before, days), tuple(hurt))  # fmt: skip


def _surprise(
    task: Task,
    champion: NDArray[np.float64],
    before: NDArray[np.float64],
    days: NDArray[np.datetime64],
) -> float | None:
    """None where a model says nothing of its own errors, as in a regression."""
    if task == "regression":
        return None
    return t_over_days(pd.Series(before - expected_losses(champion)).groupby(days).mean())


def unless_golden_refuses(
    verdict: Verdict, golden: GoldenVerdict | None, params: GoldenGate
) -> Verdict:
    """The verdict on outcomes, which anybody may have sent, under that on rows that nobody can.

    A forgotten column refuses a challenger, whatever it saves. One that is much better on outcomes
    and no better on golden rows has learned what only outcomes say. The world may have changed so,
    or they are wrong: a person has to know.
    """
    if golden is None:
        told = "there is no golden set, so outcomes alone have judged"
        return replace(verdict, reason=f"{verdict.reason}; {told}")
    reasons = [verdict.reason, golden.reason]
    if not golden.passed:
        reasons.reverse()
    elif told := _too_good(verdict, golden, params):
        reasons.insert(0, told)
    if golden.forgotten:
        reasons.insert(0, _forgotten(golden.forgotten))
    promote = verdict.promote and reasons[0] == verdict.reason
    return replace(verdict, promote=promote, reason="; ".join(reasons), golden=golden)


def _forgotten(columns: Sequence[Forgotten]) -> str:
    each = ", ".join(
        f"{c.column} (worth {c.worth:.4f} loss a row to the champion; shuffled, it moves the "
        f"champion's answers by {c.champion:.3g}, the challenger's by {c.challenger:.3g})"
        for c in columns
    )
    return (
        f"it has forgotten what the champion relies on, by golden rows: {each}. Look whether the "
        "column still belongs to its rows; if so, promote it by hand"
    )


def _too_good(verdict: Verdict, golden: GoldenVerdict, params: GoldenGate) -> str:
    """Empty = what is gained on outcomes can be believed."""
    if verdict.saved is None or not verdict.champion_loss:
        return ""
    gained = verdict.saved / verdict.champion_loss
    surprised = verdict.surprise is not None and verdict.surprise > MOST_SURPRISE
    limit = params.believed + (1.0 if surprised else params.per_gain) * golden.saved_share
    if gained <= limit:
        return ""
    told = ", and they surprise the champion on all days alike" if surprised else ""
    return (
        f"too good to be believed: {gained:.1%} of the loss is saved on outcomes, where golden "
        f"rows bear out {limit:.1%}{told}. Look whether the outcomes are right; if they are, "
        "promote it by hand"
    )


def _reason(saved: float, days: int, t: float | None, interval: Interval | None, gate: Gate) -> str:
    verb = "saves" if saved > 0 else "costs"
    between = f", 95 %: saves {interval[0]:.4f} to {interval[1]:.4f}" if interval else ""
    return (
        f"the challenger {verb} {abs(saved):.4f} loss a row, mean of {days} days{between} "
        f"(t = {t or 0.0:.2f}, the gate asks for more than {gate.min_t:g})"
    )


def _named(hurt: list[Segment]) -> str:
    each = [f"{s.column} {s.category} by {s.cost:.4f} (t = {s.t:.1f}, {s.days} days)" for s in hurt]
    return f"it hurts segments, loss a row: {', '.join(each)}"
