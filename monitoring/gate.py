"""Decides whether a challenger may be promoted. Pure: both answers on rows that neither learned."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.losses import row_losses
from contracts.params import Gate, Task
from monitoring.golden import GoldenVerdict
from monitoring.performance import t_over_days


@dataclass(frozen=True)
class Verdict:
    """Positive `t` favours the challenger; losses per row: nats, or a regression's unit."""

    promote: bool
    reason: str
    rows: int
    days: int
    champion_loss: float | None = None
    challenger_loss: float | None = None
    t: float | None = None
    golden: GoldenVerdict | None = None  # none: neither has a golden set


def unless_golden_refuses(verdict: Verdict, golden: GoldenVerdict | None) -> Verdict:
    """The verdict on outcomes, which anybody may have sent, under that on rows that nobody can."""
    if golden is None:
        told = "there is no golden set, so outcomes alone have judged"
        return replace(verdict, reason=f"{verdict.reason}; {told}")
    promote = verdict.promote and golden.passed
    parts = [verdict.reason, golden.reason] if golden.passed else [golden.reason, verdict.reason]
    return replace(verdict, promote=promote, reason="; ".join(parts), golden=golden)


def judge(
    task: Task,
    timestamps: pd.Series,
    truths: NDArray[np.float64],
    champion: NDArray[np.float64],
    challenger: NDArray[np.float64],
    gate: Gate,
) -> Verdict:
    """Compare both by the loss that the challenger saves per day, paired over days.

    Args:
        timestamps: (n,) aware; rows of one UTC day form one block.
        truths: (n,) as Target.truths.
        champion: (n, outputs) its answers.
        challenger: (n, outputs) the answers of its recipe, fitted on other rows only.
    """
    rows, days = len(truths), timestamps.dt.floor("D").nunique()
    if rows < gate.min_rows or days < gate.min_days:
        reason = (
            f"not enough to judge: {rows} rows on {days} days that neither has learned from; "
            f"the gate asks for {gate.min_rows} on {gate.min_days}"
        )
        return Verdict(False, reason, rows, days)
    losses = [row_losses(task, truths, answers) for answers in (champion, challenger)]
    saved = pd.Series(losses[0] - losses[1])
    daily = saved.groupby(timestamps.dt.floor("D").to_numpy()).mean()
    t = t_over_days(daily)
    promote = t is not None and t > gate.min_t
    verb = "saves" if daily.mean() > 0 else "costs"
    reason = (
        f"the challenger {verb} {abs(daily.mean()):.4f} loss a row, mean of {days} days "
        f"(t = {0.0 if t is None else t:.2f}, the gate asks for more than {gate.min_t:g})"
    )
    return Verdict(promote, reason, rows, days, losses[0].mean(), losses[1].mean(), t)
