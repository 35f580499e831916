"""The harm of a check's page: whether the window hurts the champion, and where."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from service.check_page.findings import entries, number, section, texts

MOST_SHOWN = 20
ALL_ROWS, SEGMENT, COLUMN = "all rows", "segment", "column"
_STYLES = {"harmful": "bad", "benign": "good"}  # of monitoring.harm.Verdict; quiet otherwise


@dataclass(frozen=True)
class Sign:
    """One thing that hurts.

    Attributes:
        kind: ALL_ROWS, SEGMENT or COLUMN.
        amount: loss a row that it adds, over all rows of the window.
        share: of the largest amount.
        z: of the window's days among those before; None = expected before outcomes.
    """

    what: str
    kind: str
    amount: float
    share: float
    z: float | None


@dataclass(frozen=True)
class Harm:
    """The verdict, in a sentence, and what it rests on.

    Attributes:
        reasons: as the check told them.
        signs: the gravest first.
        broken: columns and what is wrong with them, harmful or not.
        cost: of all of these together, loss a row.
    """

    verdict: str
    style: str
    sentence: str
    reasons: list[str]
    signs: list[Sign]
    broken: list[tuple[str, str]]
    cost: float | None


def read_harm(findings: Mapping[str, Any], loss: str) -> Harm | None:
    """What the check said of harm; None = it did not ask.

    Args:
        loss: what it is called.
    """
    found = section(findings, "harm")
    verdict = found.get("verdict")
    if not isinstance(verdict, str):
        return None
    reasons, signs = texts(found, "reasons"), _signs(found)
    style = _STYLES.get(verdict, "quiet")
    why = reasons[0].removeprefix(verdict).lstrip(",: ") if reasons else ""
    told = _sentence(why, signs, loss)
    broken = [(str(name), str(what)) for name, what in section(found, "broken").items()]
    cost = number(found, "cost")
    return Harm(verdict, style, told, reasons, signs, broken[:MOST_SHOWN], cost)


def _sentence(first: str, signs: list[Sign], loss: str) -> str:
    """What it comes to: the first reason, and the gravest sign."""
    if not signs:
        return first
    gravest = signs[0]
    adds = "is expected to add" if gravest.z is None else "adds"
    return f"{first}; gravest: {gravest.what}, which {adds} {gravest.amount:.3f} {loss} a row"


def _signs(found: Mapping[str, Any]) -> list[Sign]:
    known = [(each, number(each, "amount")) for each in entries(found, "signs")]
    amounts = [(each, amount) for each, amount in known if amount is not None][:MOST_SHOWN]
    largest = max((abs(amount) for _, amount in amounts), default=0.0)
    columns = section(found, "weights")
    return [
        Sign(
            str(each.get("what")),
            _kind(str(each.get("what")), columns),
            amount,
            abs(amount) / largest if largest else 0.0,
            number(each, "z"),
        )
        for each, amount in amounts
    ]


def _kind(what: str, columns: Mapping[str, Any]) -> str:
    if what in columns:
        return COLUMN
    if what == ALL_ROWS:
        return ALL_ROWS
    return SEGMENT if " = " in what else COLUMN
