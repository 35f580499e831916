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
        weight: in the champion's answers, as a share of the most important feature's.
    """

    column: str
    rank: int | None
    found: str
    effect: float | None
    usual: float | None
    weight: float | None


def read_causes(findings: Mapping[str, Any]) -> list[Cause]:
    """Causes by rank, then what else was compared."""
    inputs, weights = section(findings, "inputs"), section(section(findings, "drift"), "influence")
    named = texts(inputs, "causes")
    evidence = _evidence(inputs)
    largest = max((number(weights, each) or 0 for each in weights), default=0)
    found = []
    for column in [*named, *(each for each in evidence if each not in named)][:MOST_SHOWN]:
        what, effect, usual = evidence.get(column, ("", None, None))
        weight = number(weights, column)
        share = weight / largest if weight is not None and largest > 0 else None
        rank = named.index(column) + 1 if column in named else None
        found.append(Cause(column, rank, what, effect, usual, share))
    return found


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
