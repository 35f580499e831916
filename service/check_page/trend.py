"""Pictures of past checks: where lines, bars and dots go. The template draws them as SVG."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from service.check_page.findings import Interval

WIDTH, HEIGHT = 720, 150
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 10, 20
TICKS = 4

Values = Sequence[float | None]


@dataclass(frozen=True)
class Line:
    """One series: `style` is a class of the page, `values` one of each check, oldest first."""

    name: str
    style: str
    values: Values
    intervals: Sequence[Interval | None] = ()


@dataclass(frozen=True)
class Dot:
    x: float
    y: float
    style: str


@dataclass(frozen=True)
class Whisker:
    x: float
    top: float
    bottom: float
    style: str


@dataclass(frozen=True)
class Tick:
    y: float
    text: str


@dataclass(frozen=True)
class Chart:
    """A picture of WIDTH by HEIGHT; `paths` are (style, SVG path)."""

    title: str
    legend: list[tuple[str, str]]
    paths: list[tuple[str, str]]
    dots: list[Dot]
    whiskers: list[Whisker]
    ticks: list[Tick]
    zero: float | None


def draw(title: str, lines: Sequence[Line]) -> Chart | None:
    """A chart of the lines that have a value; None if none has."""
    lines = [line for line in lines if any(value is not None for value in line.values)]
    if not lines:
        return None
    low, high = _range(lines)
    ticks = _ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])

    def height(value: float) -> float:
        share = (value - low) / (high - low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    step = ticks[1] - ticks[0]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return Chart(
        title,
        [(line.name, line.style) for line in lines],
        [(line.style, _path(line.values, height)) for line in lines],
        [
            Dot(place(i, len(line.values)), height(value), line.style)
            for line in lines
            for i, value in enumerate(line.values)
            if value is not None
        ],
        [
            Whisker(place(i, len(line.values)), height(each[1]), height(each[0]), line.style)
            for line in lines
            for i, each in enumerate(line.intervals)
            if each is not None
        ],
        [Tick(height(tick), _label(tick, digits)) for tick in ticks],
        height(0) if low < 0 < high else None,
    )


def place(i: int, number: int) -> float:
    """Where the i-th of so many checks is, from the left."""
    if number == 1:
        return (LEFT + WIDTH - RIGHT) / 2
    margin = 8
    return round(LEFT + margin + i * (WIDTH - LEFT - RIGHT - 2 * margin) / (number - 1), 1)


def _range(lines: Sequence[Line]) -> tuple[float, float]:
    known = [value for line in lines for value in line.values if value is not None]
    known += [end for line in lines for each in line.intervals if each is not None for end in each]
    low, high = min(known), max(known)
    if high - low < 1e-9 * max(1.0, abs(high)):
        reach = max(abs(high) * 0.1, 1e-3)
        return low - reach, high + reach
    return low, high


def _ticks(low: float, high: float) -> list[float]:
    """At least two round numbers about the range."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(each for each in (1, 2, 5, 10) if each * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _label(value: float, digits: int) -> str:
    return f"{value:.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}"


def _path(values: Values, height: Callable[[float], float]) -> str:
    """Lines between neighbours that both have a value."""
    parts = []
    for i, value in enumerate(values):
        if value is not None:
            goes_on = i > 0 and values[i - 1] is not None
            parts.append(f"{'L' if goes_on else 'M'}{place(i, len(values))} {height(value)}")
    return " ".join(parts)
