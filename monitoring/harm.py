"""Whether what happened to a window hurts the champion: `harmful`, `benign`, or not known yet.

That columns changed says little about harm, so the loss is asked. What columns that broke cost is
the loss of the window's rows beside the same rows repaired (repair.py), which leaves out all that
makes one week worse than another. What the target does shows in no column: there the loss of all
rows, and of a segment beside all others on the same days, has to stand out among the days before,
by ranks, for a few bad days make a bad mean. Before outcomes only broken columns can be weighed,
by how far the answers to repaired rows are from those given.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from monitoring.cost import Cost
from monitoring.daily import Daily

Verdict = Literal["harmful", "benign", "not known before outcomes", "not enough data"]

LEAST_HARM = 0.01  # of loss, that is worth a word; of a regression as a share of 0.5 of its loss
USUAL_LOSS = 0.5  # of classes, in nats
# Before outcomes: answers are less sure than they could be, and foretell less than will be lost.
LEAST_EXPECTED = 0.006
MIN_DAYS = 7  # before the window, with outcomes
MIN_WINDOW_DAYS = 3
# How many standard errors of their rank sum the window's days have to stand above those before, all
# rows or segments; chosen on the half of `make bench-harm` that is not reported.
STAND_OUT = 2.6
SEGMENT_STANDS_OUT = 3.4  # the largest of some twenty

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Sign:
    """One reason to think that a window is harmful.

    Attributes:
        what: `all rows`, `carrier = UA`, or the broken columns.
        amount: loss a row that it adds, over all rows of the window.
        z: of the window's days: of their rank sum, of broken columns of their mean; None =
            expected before outcomes.
    """

    what: str
    amount: float
    z: float | None

    def __str__(self) -> str:
        if self.z is None:
            return f"{self.what}: broken, which is expected to cost {self.amount:.3f} loss a row"
        return f"{self.what}: costs {self.amount:.3f} loss a row (z = {self.z:.1f} over days)"


@dataclass(frozen=True)
class Harm:
    """What a check says of the window's harm.

    Attributes:
        signs: the gravest first.
        amount: of the gravest.
        weights: column -> the loss that it saved before the window.
        broken: column -> what is wrong with it, harmful or not.
        cost: of all broken columns together, loss a row, known or expected; None = none is.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    signs: tuple[Sign, ...] = ()
    amount: float | None = None
    weights: Mapping[str, float] | None = None
    broken: Mapping[str, str] | None = None
    cost: float | None = None


def judge_harm(past: Daily, window: Daily, cost: Cost, *, numbers: bool = False) -> Harm:
    """Judge a window by the days before it.

    Args:
        past: days with outcomes.
        window: without outcomes, or with too few days of them, only the cost is looked at.
        numbers: whether the answers are numbers, whose loss has a scale of its own.
    """
    if len(past.excess) < MIN_DAYS:
        return too_few_days(len(past.excess))
    scale = float(past.excess.mean()) / USUAL_LOSS if numbers else 1.0
    known = len(window.excess) >= MIN_WINDOW_DAYS
    found = _with_outcomes(past, window, cost, scale) if known else _before(cost, scale)
    signs = tuple(sorted(found, key=lambda sign: -sign.amount))
    broken = dict(cost.broken)
    spent = round(cost.amount, 5) if broken else None
    if signs:
        days = f"{len(window.excess)} days with outcomes"
        first = f"harmful, over {days}" if known else "harmful by what is expected before outcomes"
        told = (first, *map(str, signs))
        return Harm("harmful", told, signs, signs[0].amount, broken=broken, cost=spent)
    if not known:
        return Harm("not known before outcomes", (_unknown(broken),), broken=broken, cost=spent)
    quiet = f"benign: over {len(window.excess)} days with outcomes no loss rose that stands out"
    if broken:
        quiet += f"; {', '.join(broken)} broke, but cost {cost.amount:+.3f} loss a row"
    return Harm("benign", (quiet,), broken=broken, cost=spent)


def too_few_days(days: int) -> Harm:
    """What is said with fewer than MIN_DAYS before the window."""
    why = (
        f"harm not judged: {days} days before the window have outcomes that the champion has not "
        f"learned; {MIN_DAYS} are needed"
    )
    return Harm("not enough data", (why,))


def _unknown(broken: Mapping[str, str]) -> str:
    what = f"{', '.join(broken)} broke, which hardly moves the answers" if broken else _NONE
    return f"whether the window is harmful cannot be known before outcomes: {what}, and {_TARGET}"


_NONE = "no column broke"
_TARGET = "a change of the target alone is not detectable until they arrive"


def _with_outcomes(past: Daily, window: Daily, cost: Cost, scale: float) -> Iterator[Sign]:
    signs = [(_rise("all rows", past.excess, window.excess), STAND_OUT)]
    for (column, value), days in window.segments.items():
        share = window.shares[column, value]
        before = past.segments[column, value]
        signs.append((_rise(f"{column} = {value}", before, days, share), SEGMENT_STANDS_OUT))
    if cost.broken and cost.realised is not None:
        signs.append((_cost_sign(cost, cost.realised), -np.inf))
    for sign, least in signs:
        if sign.amount >= LEAST_HARM * scale and sign.z is not None and sign.z > least:
            yield sign


def _before(cost: Cost, scale: float) -> Iterator[Sign]:
    if cost.broken and cost.amount >= LEAST_EXPECTED * scale:
        yield Sign(" and ".join(cost.broken), cost.amount, None)


def _cost_sign(cost: Cost, days: Matrix) -> Sign:
    """It need not stand out: chance breaks no column, and the same rows are compared."""
    error = float(np.std(days, ddof=1) / np.sqrt(len(days))) if len(days) > 1 else 0.0
    z = float(np.mean(days)) / error if error else 0.0
    return Sign(" and ".join(cost.broken), cost.amount, z)


def _rise(what: str, before: Matrix, after: Matrix, share: float = 1.0) -> Sign:
    """By how much the mean of the days rose, and the rank sum of the days after."""
    first, second = before[~np.isnan(before)], after[~np.isnan(after)]
    number, later = len(first), len(second)
    if number < MIN_DAYS or later < 2:
        return Sign(what, 0.0, None)
    rise = float(second.mean() - first.mean())
    ranks = rankdata(np.concatenate([first, second]))[number:]
    middle = (number + later + 1) / 2
    error = np.sqrt(number * (number + later + 1) / (12 * later))
    return Sign(what, share * rise, float((ranks.mean() - middle) / error))
