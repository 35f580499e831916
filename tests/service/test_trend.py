"""Charts stay inside of their frame, whatever the values."""

import pytest

from service.check_page.trend import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Line, draw


@pytest.mark.parametrize(
    "values",
    [[1.0], [0.0, 0.0], [5.0, 5.0, 5.0], [1e-12, 2e-12], [-1e9, 1e9], [0.51, None, 0.52], [1e300]],
)
def test_everything_is_inside(values: list[float | None]) -> None:
    around = [None if value is None else (value - abs(value), value + 0.1) for value in values]
    chart = draw("a title", [Line("a", "real", values, around)])

    assert chart is not None
    heights = [dot.y for dot in chart.dots] + [tick.y for tick in chart.ticks]
    heights += [end for each in chart.whiskers for end in (each.top, each.bottom)]
    assert all(TOP <= y <= HEIGHT - BOTTOM for y in heights)
    assert all(LEFT < dot.x < WIDTH - RIGHT for dot in chart.dots)
    assert 2 <= len(chart.ticks) <= 8
    assert len({tick.text for tick in chart.ticks}) == len(chart.ticks)


def test_a_gap_is_not_bridged() -> None:
    chart = draw("a title", [Line("a", "real", [1.0, None, 2.0, 3.0])])

    assert chart is not None
    assert [step[0] for step in chart.paths[0][1].split() if step[0] in "ML"] == ["M", "M", "L"]


def test_higher_values_are_higher_up() -> None:
    chart = draw("a title", [Line("a", "real", [1.0, 2.0])])

    assert chart is not None
    assert chart.dots[0].y > chart.dots[1].y


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw("a title", [Line("a", "real", [None, None])]) is None
    assert draw("a title", []) is None
