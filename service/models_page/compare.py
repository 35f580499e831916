"""Metrics of a version beside the champion's: how they differ, in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.check_page.findings import Interval, interval, number, section

_LOWER = frozenset({"log_loss", "brier", "loss", "calibration_error", "mae", "rmse", "mape"})
_HIGHER = frozenset(
    {"roc_auc", "average_precision", "accuracy", "precision", "recall", "f1", "skill", "r2"}
)
_NAMES = {"log_loss": "log-loss", "roc_auc": "ROC AUC", "brier": "Brier score",
          "mae": "mean absolute error", "rmse": "root mean square error", "r2": "R²",
          "f1": "F1"}  # fmt: skip
_FIRST = ("log_loss", "roc_auc", "mae", "rmse", "brier", "r2", "skill")
HEADLINES = 3


@dataclass(frozen=True)
class Compared:
    """One metric.

    Attributes:
        theirs: the champion's.
        style, word: better, worse or the same; empty where neither direction is better, or there
            is nothing to compare with.
        is_clear: whether the champion's lies outside the interval.
    """

    name: str
    value: float | None
    interval: Interval | None
    theirs: float | None
    style: str
    word: str
    is_clear: bool


def headlines(metrics: Mapping[str, Any]) -> list[str]:
    """The metrics that a list shows."""
    return [name for name in _FIRST if number(metrics, name) is not None][:HEADLINES]


def compare(
    names: list[str], mine: Mapping[str, Any], theirs: Mapping[str, Any] | None
) -> list[Compared]:
    """Metrics side by side.

    Args:
        theirs: the champion's; None = these are.
    """
    return [_compare(name, mine, theirs) for name in names]


def compare_all(mine: Mapping[str, Any], theirs: Mapping[str, Any] | None) -> list[Compared]:
    """Every metric that is a number: what people look at first, then the rest as it is written."""
    found = [name for name in mine if number(mine, name) is not None and mine[name] is not True]
    first = [name for name in _FIRST if name in found]
    return compare([*first, *(name for name in found if name not in first)], mine, theirs)


def _compare(name: str, mine: Mapping[str, Any], theirs: Mapping[str, Any] | None) -> Compared:
    value, around = number(mine, name), interval(section(mine, "intervals"), name)
    other = None if theirs is None else number(theirs, name)
    inside = around is not None and other is not None and around[0] <= other <= around[1]
    style, word = _judge(name, value, other)
    shown = _NAMES.get(name, name.replace("_", " "))
    return Compared(
        shown, value, around, other, "quiet" if inside and word else style, word, not inside
    )


def _judge(name: str, value: float | None, other: float | None) -> tuple[str, str]:
    if value is None or other is None or name not in _LOWER | _HIGHER:
        return "", ""
    difference = value - other
    if difference == 0:
        return "quiet", "the same"
    is_better = (difference < 0) == (name in _LOWER)
    word = f"{'better' if is_better else 'worse'} by {abs(difference):.4f}"
    return ("good" if is_better else "bad"), word
