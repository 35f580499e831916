"""The performance of a check's page: realised and estimated, beside what was expected."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.check_page.findings import Interval, interval, number, section


@dataclass(frozen=True)
class Figure:
    value: float | None
    interval: Interval | None = None


@dataclass(frozen=True)
class Measure:
    """One row of the table.

    Attributes:
        expected: of answers that are right about themselves.
        evaluated: by training, on rows that the model had not seen.
    """

    name: str
    realised: Figure
    expected: Figure
    estimated: Figure
    evaluated: Figure

    @property
    def known(self) -> bool:
        return any(
            each.value is not None
            for each in (self.realised, self.expected, self.estimated, self.evaluated)
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
    realised, estimated = section(findings, "performance"), section(findings, "estimated")
    evaluated, between = metrics, section(metrics, "intervals")
    rows = [
        Measure(
            loss_name(metrics),
            _figure(realised, "loss"),
            Figure(number(realised, "expected")),
            _figure(estimated, "loss", "log_loss", "mae"),
            Figure(number(evaluated, "loss", "log_loss"), interval(between, "loss", "log_loss")),
        ),
        Measure(
            "ROC AUC",
            _figure(realised, "roc_auc"),
            Figure(None),
            _figure(estimated, "roc_auc"),
            Figure(number(evaluated, "roc_auc"), interval(between, "roc_auc")),
        ),
    ]
    return [row for row in rows if row.known]


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


def _figure(found: Mapping[str, Any], *names: str) -> Figure:
    return Figure(number(found, *names), interval(found, *(f"{name}_interval" for name in names)))
