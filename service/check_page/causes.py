"""The columns of a check's page: which changed, by how much, and how much they weigh."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.check_page.findings import entries, number, section, texts

MOST_SHOWN = 20
_KINDS = {
    "missing": "values are missing",
    "unseen": "values never seen in training",
    "stuck": "every value is the same",
    "unlike": "unlike the reference: a changed unit, scale or meaning?",
    "beyond": "values beyond a bound that training never passed",
    "repeated": "one value has too many rows",
    "rounded": "values are rounded otherwise",
    "vanished": "a category comes no more",
    "relation": "no longer goes with another column",
}
_ASPECTS = {"values": "values changed", "missing": "the share of missing values changed"}


@dataclass(frozen=True)
class Cause:
    """One column.

    Attributes:
        rank: 1 = the gravest; None = it is shown for comparison, and has not changed.
        effect: share of rows.
        usual: what one window in twenty without a change exceeds, or the worst block of training.
        importance: how far the answers move, on average, when its values are shuffled.
        weight: the same as a share of the most important feature's.
        worth: loss a row that it saved before the window.
        weighed: its effect times its importance among all columns, 0 to 1.
    """

    column: str
    rank: int | None
    found: str
    effect: float | None
    usual: float | None
    importance: float | None
    weight: float | None
    worth: float | None
    weighed: float | None


def read_causes(findings: Mapping[str, Any]) -> list[Cause]:
    """Causes by rank, then what else was compared."""
    inputs, weights = section(findings, "inputs"), section(section(findings, "drift"), "influence")
    worth, named = section(section(findings, "harm"), "weights"), texts(inputs, "causes")
    evidence, weighed = _evidence(inputs), _weighed(findings)
    largest = max((number(weights, each) or 0 for each in weights), default=0)
    found = []
    for column in [*named, *(each for each in evidence if each not in named)][:MOST_SHOWN]:
        what, effect, usual = evidence.get(column, ("", None, None))
        weight = number(weights, column)
        share = weight / largest if weight is not None and largest > 0 else None
        rank = named.index(column) + 1 if column in named else None
        found.append(
            Cause(
                column,
                rank,
                what,
                effect,
                usual,
                weight,
                share,
                number(worth, column),
                weighed.get(column),
            )
        )
    return found


def _weighed(findings: Mapping[str, Any]) -> dict[str, float | None]:
    causes = entries(section(findings, "weighed"), "causes")
    return {str(each.get("column")): number(each, "weight") for each in causes}


def _evidence(
    inputs: Mapping[str, Any],
) -> dict[str, tuple[str, float | None, float | None]]:
    """Of each column the gravest thing: a fault of the data before what a test compared."""
    found: dict[str, tuple[str, float | None, float | None]] = {}
    for fault in entries(inputs, "faults"):
        what = _KINDS.get(str(fault.get("kind")), "")
        shown = (what, number(fault, "found"), number(fault, "usual"))
        found.setdefault(str(fault.get("column")), shown)
    for each in entries(inputs, "compared"):
        what = _ASPECTS.get(str(each.get("aspect")), "")
        shown = (what, number(each, "effect"), number(each, "usual"))
        found.setdefault(str(each.get("column")), shown)
    return found
