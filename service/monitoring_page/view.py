"""Checks and the trend of each column as the page shows them; reads no database, writes no HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service.check_page.causes import Cause, read_causes
from service.check_page.findings import Interval, interval, section, texts
from service.check_page.view import STATES

MOST_COLUMNS = 15
_HEIGHTS = {"ok": 0.3, "watch": 0.65, "alarm": 1.0}

Check = dict[str, Any]  # of monitoring_page.read.read_checks


@dataclass(frozen=True)
class Mark:
    """One check in the picture: higher is worse, a letter says that something was decided."""

    check_id: str
    height: float
    style: str
    letter: str
    text: str


@dataclass(frozen=True)
class Row:
    """One check in the table."""

    check: Check
    style: str
    state: str
    causes: list[str]
    harm: str


@dataclass(frozen=True)
class Trend:
    """A column over the checks, oldest first.

    Attributes:
        bars: height from 0 to 1, or None where it was not compared, and style.
        newest: what the newest check found; None = it did not compare the column.
        named: how many checks named it as a cause, of `compared`.
        missing: share of missing values in the reference and in the newest window.
    """

    column: str
    bars: list[tuple[float | None, str]]
    newest: Cause | None
    named: int
    compared: int
    missing: Interval | None

    @property
    def said(self) -> str:
        return f"named as a cause by {self.named} of the {self.compared} checks that compared it"


def make_marks(past: Sequence[Check]) -> list[Mark]:
    """The picture of checks, oldest first."""
    return [_mark(check) for check in past]


def make_rows(newest_first: Sequence[Check]) -> list[Row]:
    """The table of checks."""
    return [_row(check) for check in newest_first]


def make_trends(past: Sequence[Check]) -> list[Trend]:
    """What each column did: those that the newest check names first, then the most often named."""
    found = [{cause.column: cause for cause in read_causes(each["findings"])} for each in past]
    names = list(dict.fromkeys(name for each in reversed(found) for name in each))
    missing = section(section(past[-1]["findings"], "drift"), "missing") if past else {}
    trends = [_trend(name, found, interval(missing, name)) for name in names]
    return sorted(trends, key=_order)[:MOST_COLUMNS]


def _order(trend: Trend) -> tuple[float, int]:
    rank = trend.newest.rank if trend.newest else None
    return (float("inf") if rank is None else rank, -trend.named)


def _trend(name: str, found: Sequence[dict[str, Cause]], missing: Interval | None) -> Trend:
    series = [each.get(name) for each in found]
    known = [cause for cause in series if cause is not None]
    most = max((cause.effect or 0.0 for cause in known), default=0.0) or 1.0
    return Trend(
        name,
        [_bar(cause, most) for cause in series],
        series[-1],
        sum(cause.rank is not None for cause in known),
        len(known),
        missing,
    )


def _bar(cause: Cause | None, most: float) -> tuple[float | None, str]:
    if cause is None or cause.effect is None:
        return None, "quiet"
    return min(1.0, cause.effect / most), "bad" if cause.rank is not None else "quiet"


def _mark(check: Check) -> Mark:
    style, state = STATES.get(check["state"], ("quiet", check["state"]))
    letter = "" if check["decision"] == "keep" else str(check["decision"])[:1].upper()
    text = f"{check['checked_at']:%Y-%m-%d %H:%M}: {state}; {check['decision']}"
    return Mark(check["check_id"], _HEIGHTS.get(check["state"], 0.15), style, letter, text)


def _row(check: Check) -> Row:
    style, state = STATES.get(check["state"], ("quiet", check["state"]))
    harm = str(section(check["findings"], "harm").get("verdict") or "not judged")
    return Row(check, style, state, texts(section(check["findings"], "inputs"), "causes"), harm)
