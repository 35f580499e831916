"""Whether what happened to a window hurts the champion: `harmful`, `benign`, or not known yet.

That columns changed says little about harm, so the loss is asked. With outcomes three things are
looked at, each against the days before: the loss of all rows, the loss of a segment beside that of
all others on the same days, and the loss that each column saves (worth.py). A rise has to stand out
among the days, by ranks, for a few bad days make a bad mean; only that of a column which came
unlike any day before need not, for chance does not change a column. Before outcomes nothing but
changed columns can be weighed, by what they were worth: a change of the target shows in no input.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from monitoring.worth import Daily

Verdict = Literal["harmful", "benign", "not known before outcomes", "not enough data"]

LEAST_HARM = 0.01  # of loss, that is worth a word
MIN_DAYS = 7  # before the window, with outcomes
MIN_WINDOW_DAYS = 3
# How many standard errors of their rank sum the window's days have to stand above those before, all
# rows and segments, or columns; chosen on the half of `make bench-harm` that is not reported.
STAND_OUT = 2.6
SEGMENT_STANDS_OUT = 3.4  # the largest of some twenty
COLUMN_STANDS_OUT = 2.8

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Sign:
    """One reason to think that a window is harmful.

    Attributes:
        what: `all rows`, `carrier = UA`, or a column.
        amount: loss a row that it adds, over all rows of the window.
        z: of the rank sum of the window's days; None = expected before outcomes.
    """

    what: str
    amount: float
    z: float | None

    def __str__(self) -> str:
        if self.z is None:
            return f"{self.what}: came unlike before, which is expected to cost {self.amount:.3f}"
        return f"{self.what}: costs {self.amount:.3f} loss a row (z = {self.z:.1f} over days)"


@dataclass(frozen=True)
class Harm:
    """What a check says of the window's harm.

    Attributes:
        signs: the gravest first.
        amount: of the gravest.
        weights: column -> what it was worth before the window; drift weighs as much as this.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    signs: tuple[Sign, ...] = ()
    amount: float | None = None
    weights: Mapping[str, float] | None = None


def judge_harm(past: Daily, window: Daily, changed: Mapping[str, float]) -> Harm:
    """Judge a window by the days before it.

    Args:
        past: days with outcomes.
        changed: columns that came unlike any day before, and the share of rows that another mix of
            values does not explain.
    """
    if len(past.excess) < MIN_DAYS:
        return too_few_days(len(past.excess))
    weights = {name: round(float(worth.mean()), 5) for name, worth in past.worth.items()}
    known = len(window.excess) >= MIN_WINDOW_DAYS
    found = _with_outcomes(past, window, changed) if known else _before(past, window, changed)
    signs = tuple(sorted(found, key=lambda sign: -sign.amount))
    if signs:
        days = f"{len(window.excess)} days with outcomes"
        first = f"harmful, over {days}" if known else "harmful by what is expected before outcomes"
        told = (first, *map(str, signs))
        return Harm("harmful", told, signs, signs[0].amount, weights)
    if not known:
        return Harm("not known before outcomes", (_UNKNOWN,), weights=weights)
    quiet = f"benign: over {len(window.excess)} days with outcomes no loss rose that stands out"
    return Harm("benign", (quiet,), weights=weights)


def too_few_days(days: int) -> Harm:
    """What is said with fewer than MIN_DAYS before the window."""
    why = (
        f"harm not judged: {days} days before the window have outcomes that the champion has not "
        f"learned; {MIN_DAYS} are needed"
    )
    return Harm("not enough data", (why,))


_UNKNOWN = (
    "whether the window is harmful cannot be known before outcomes: no column that matters came "
    "otherwise, and a change of the target alone is not detectable until they arrive"
)


def _with_outcomes(past: Daily, window: Daily, changed: Mapping[str, float]) -> Iterator[Sign]:
    signs = [(_rise("all rows", past.excess, window.excess), STAND_OUT)]
    for (column, value), days in window.segments.items():
        share = window.shares[column, value]
        before = past.segments[column, value]
        signs.append((_rise(f"{column} = {value}", before, days, share), SEGMENT_STANDS_OUT))
    for column, days in window.worth.items():
        least = -np.inf if column in changed else COLUMN_STANDS_OUT
        signs.append((_rise(column, -past.worth[column], -days), least))
    for sign, least in signs:
        if sign.amount >= LEAST_HARM and sign.z is not None and sign.z > least:
            yield sign


def _before(past: Daily, window: Daily, changed: Mapping[str, float]) -> Iterator[Sign]:
    """A changed column loses its worth, and moves the answers where it should not."""
    for name, share in changed.items():
        if name in window.shift:
            lost = max(0.0, float(past.worth[name].mean())) + float(window.shift[name].mean())
            if share * lost >= LEAST_HARM:
                yield Sign(name, share * lost, None)


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
