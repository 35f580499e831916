"""What a check says of the inputs: ok, watch, alarm or not enough data, and why, in sentences.

Faults of the data are an alarm. Any other change is `watch`: that inputs are distributed otherwise
does no harm by itself, and outcomes, or an estimate of the loss, have to show it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from monitoring.quality import Fault
from monitoring.significance import Compared, Significance, changed

State = Literal["ok", "watch", "alarm", "not enough data"]

# Of the declared rate of false alarms; the rest is for the faults, which have no p-value.
TEST_SHARE = 0.8
LISTED = 10  # columns that a sentence names
MOST_FAULTS = 50  # that are told one by one: a wide table can have thousands at once


@dataclass(frozen=True)
class Limits:
    """What a check promises.

    Attributes:
        false_alarm_rate: share of windows without a change that are not `ok`.
        false_discovery_rate: share of columns that are named for nothing.
        least_effect: smaller changes than this distance are not named.
    """

    false_alarm_rate: float
    false_discovery_rate: float
    least_effect: float


@dataclass(frozen=True)
class Drift:
    """What was found.

    Attributes:
        causes: columns, the gravest first.
        p: of the window as a whole; see Significance.
        rate: p at or below it is a change.
        faults: of the data, the gravest first.
        compared: the most surprising columns, whether they changed or not.
    """

    state: State
    reasons: tuple[str, ...]
    causes: tuple[str, ...]
    p: float | None = None
    rate: float | None = None
    faults: tuple[Fault, ...] = ()
    compared: tuple[Compared, ...] = ()


def assess(significance: Significance, faults: Sequence[Fault], limits: Limits) -> Drift:
    """Put both looks at a window together."""
    rate = TEST_SHARE * limits.false_alarm_rate
    named = changed(significance.compared, limits.false_discovery_rate, limits.least_effect)
    moved = significance.p is not None and significance.p <= rate
    columns = [fault.column for fault in faults]
    if moved:
        columns += [each.column for each in named or significance.compared[:1]]
    causes = tuple(dict.fromkeys(columns))
    seen = tuple(significance.compared[:LISTED])
    told = tuple(faults[:MOST_FAULTS])
    found = partial(Drift, p=significance.p, rate=rate, faults=told, compared=seen)
    if faults:
        return found("alarm", _tell(faults), causes)
    if moved:
        return found("watch", _describe(significance, named), causes)
    if (why := _too_little(significance, rate)) is not None:
        return found("not enough data", (why,), ())
    return found("ok", (f"no more change than windows without one show ({_p(significance)})",), ())


def _describe(significance: Significance, named: Sequence[Compared]) -> tuple[str, ...]:
    lines = [
        f"{each.column}: {_WHAT[each.aspect]} changed by {each.effect:.0%} of the rows; without a "
        f"change one window in twenty has more than {each.usual:.0%}"
        for each in named[:LISTED]
    ]
    first = f"the inputs changed ({_p(significance)})"
    return (first, *lines) if lines else (f"{first}, each column by little",)


def _tell(faults: Sequence[Fault]) -> tuple[str, ...]:
    rest = len(faults) - MOST_FAULTS
    more = (f"and {rest} more faults of the data",) if rest > 0 else ()
    return (*map(str, faults[:MOST_FAULTS]), *more)


def _too_little(significance: Significance, rate: float) -> str | None:
    if significance.p is None:
        return "the window, or the reference, has too few blocks to compare"
    if significance.smallest > rate:
        return (
            f"so few blocks show no p-value below {significance.smallest:.2g}; {rate:.2g} is asked "
            "for: wait, lengthen the window, or declare a higher false_alarm_rate"
        )
    return None


def _p(significance: Significance) -> str:
    return f"p = {significance.p:.2g}"


_WHAT = {"values": "values", "missing": "the share of missing values"}
