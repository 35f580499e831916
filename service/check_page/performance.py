"""The performance of a check's page: realised and estimated, beside what was expected."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.check_page.findings import Interval, interval, number, section

_MEASURES = {"loss": "loss", "roc_auc": "ROC AUC", "brier": "Brier score"}


@dataclass(frozen=True)
class Figure:
    value: float | None
    interval: Interval | None = None


@dataclass(frozen=True)
class Measure:
    """One row of the table.

    Attributes:
        realised: over the days whose outcomes the check looked at.
        expected: of answers that are right about themselves.
        estimated: of the window, before its outcomes came; `settled` is what they brought.
        evaluated: by training, on rows that the model had not seen.
    """

    name: str
    realised: Figure
    expected: Figure
    estimated: Figure
    settled: Figure
    evaluated: Figure

    @property
    def known(self) -> bool:
        return any(
            each.value is not None
            for each in (self.realised, self.expected, self.estimated, self.settled)
        )


@dataclass(frozen=True)
class Verdict:
    """Whether the answers were as good as they promised; `kind` is better, usual, worse."""

    kind: str
    text: str


def loss_name(metrics: Mapping[str, Any]) -> str:
    """What the loss of such a version is called."""
    return "mean absolute error" if "mae" in metrics else "log-loss"


def read_measures(findings: Mapping[str, Any], metrics: Mapping[str, Any]) -> list[Measure]:
    """Rows of the table that say anything.

    Args:
        metrics: of the version, as its evaluation found them.
    """
    realised, between = section(findings, "performance"), section(metrics, "intervals")
    rows = [
        Measure(
            loss_name(metrics) if key == "loss" else name,
            Figure(number(realised, key), interval(realised, f"{key}_interval")),
            Figure(number(realised, "expected") if key == "loss" else None),
            read_estimate(findings, key),
            Figure(read_settled(findings, key)),
            Figure(number(metrics, key), interval(between, key)),
        )
        for key, name in _MEASURES.items()
    ]
    return [row for row in rows if row.known]


def read_estimate(findings: Mapping[str, Any], key: str) -> Figure:
    """What was estimated of the window before its outcomes came."""
    found = section(section(section(findings, "estimated"), "figures"), key)
    low, high = number(found, "low"), number(found, "high")
    around = None if low is None or high is None else (low, high)
    return Figure(number(found, "value"), around)


def read_settled(findings: Mapping[str, Any], key: str) -> float | None:
    """What its outcomes brought."""
    return number(section(section(findings, "realised"), "figures"), key)


def judge(findings: Mapping[str, Any], name: str) -> Verdict | None:
    """What the excess loss says, in a sentence; None = there are no outcomes to say it.

    Args:
        name: of the loss.
    """
    found = section(findings, "performance")
    excess, between = number(found, "excess"), interval(found, "excess_interval")
    if excess is None:
        return None
    side = "above" if excess >= 0 else "below"
    told = f"The {name} is {abs(excess):.4f} {side} what such answers promise"
    if between is None:
        return Verdict("usual", f"{told}; too few days with outcomes to say how sure that is.")
    low, high = between
    sure = f"{told} (95 % interval {low:+.4f} to {high:+.4f})"
    if low > 0:
        return Verdict("worse", f"{sure}: worse than expected.")
    if high < 0:
        return Verdict("better", f"{sure}: better than expected.")
    return Verdict("usual", f"{sure}: as expected.")
