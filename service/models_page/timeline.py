"""The picture of who was champion when: a lane a model, a bar a reign. The template draws it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

WIDTH, LEFT, RIGHT, LANE, TOP = 720, 110, 12, 24, 6
MOST_LANES = 12
LEAST_WIDTH = 2.0


@dataclass(frozen=True)
class Bar:
    """One reign of a model, its recalibrations included."""

    x: float
    width: float
    text: str
    current: bool


@dataclass(frozen=True)
class Lane:
    name: str
    y: int
    bars: list[Bar]


@dataclass(frozen=True)
class Timeline:
    """A picture of WIDTH by `height`; `marks` are (x, text) below it."""

    height: int
    lanes: list[Lane]
    marks: list[tuple[float, str]]


@dataclass
class _Reign:
    name: str
    start: datetime
    end: datetime
    changes: int = 1


def draw_timeline(
    reigns: Sequence[tuple[datetime, str]], bases: dict[str, str], now: datetime
) -> Timeline | None:
    """Lanes of the newest models, the newest at the top; None = nobody was champion yet.

    Args:
        reigns: when which version became champion, oldest first.
        bases: the trained version of each.
    """
    spells = _spells(reigns, bases, now)
    if not spells:
        return None
    names = list(dict.fromkeys(spell.name for spell in reversed(spells)))[:MOST_LANES]
    shown = [spell for spell in spells if spell.name in names]
    start, end = shown[0].start, max(now, shown[-1].start)
    length = max((end - start).total_seconds(), 1.0)

    def place(moment: datetime) -> float:
        share = (moment - start).total_seconds() / length
        return round(LEFT + min(1.0, max(0.0, share)) * (WIDTH - LEFT - RIGHT), 1)

    def bar(spell: _Reign) -> Bar:
        x, last = place(spell.start), spell is shown[-1]
        until = "now" if last else f"{spell.end:%Y-%m-%d}"
        more = f", {spell.changes - 1} recalibrations" if spell.changes > 1 else ""
        said = f"{spell.name}: {spell.start:%Y-%m-%d} to {until}{more}"
        return Bar(x, max(LEAST_WIDTH, round(place(spell.end) - x, 1)), said, last)

    lanes = [
        Lane(name, TOP + LANE * i, [bar(spell) for spell in shown if spell.name == name])
        for i, name in enumerate(names)
    ]
    marks = [(place(start), f"{start:%Y-%m-%d}"), (place(end), f"{end:%Y-%m-%d}")]
    return Timeline(TOP + LANE * len(names) + 20, lanes, marks)


def _spells(
    reigns: Sequence[tuple[datetime, str]], bases: dict[str, str], now: datetime
) -> list[_Reign]:
    """Reigns in a row of the same model are one; a clock that was set back moves none backwards."""
    spells: list[_Reign] = []
    ends = list(accumulate((at for at, _ in reversed(reigns)), min))[::-1]
    for at, (_, version) in zip(ends, reigns, strict=True):
        name = bases.get(version, version)
        if spells:
            spells[-1].end = at
        if spells and spells[-1].name == name:
            spells[-1].changes += 1
        else:
            spells.append(_Reign(name, at, now))
    if spells:
        spells[-1].end = max(now, spells[-1].start)
    return spells
