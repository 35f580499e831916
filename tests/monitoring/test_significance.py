"""The drift test keeps its false-alarm rate where rows depend on their day, and finds shifts."""

from collections.abc import Callable

import numpy as np
import pytest

from contracts.profiles import Profile, count, numeric_bins, text_bins
from monitoring.significance import Significance, changed, judge

DAYS, ROWS = 90, 200
Columns = dict[str, object]


def year(seed: int, days: int = DAYS, rows: int = ROWS) -> tuple[Columns, np.ndarray]:
    """Rows that share their day's weather, and its mix of shops; `calm` depends on nothing."""
    generator = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), rows)
    weather = generator.normal(size=days)[day] + 0.3 * generator.normal(size=len(day))
    share = generator.beta(20, 20, days)[day]
    shop = np.where(generator.random(len(day)) < share, "north", "south").astype(object)
    calm = generator.normal(size=len(day))
    holes = np.where(generator.random(len(day)) < 0.02, np.nan, generator.normal(size=len(day)))
    return {"weather": weather, "shop": shop, "calm": calm, "holes": holes}, day


def bins_of(columns: Columns) -> list:
    return [
        (text_bins if name == "shop" else numeric_bins)(name, values)
        for name, values in columns.items()
    ]


def split(columns: Columns, day: np.ndarray, window: list[int], change: Callable = dict) -> tuple:
    inside = np.isin(day, window)
    bins = bins_of(columns)
    parts = [{n: v[m] for n, v in columns.items()} for m in (~inside, inside)]
    return (
        bins,
        count(bins, parts[0], day[~inside]),
        count(bins, change(parts[1]), day[inside]),
    )


def judged(seed: int, window: list[int], change: Callable = dict) -> Significance:
    generator = np.random.default_rng(seed)
    return judge(*split(*year(seed), window, change), generator, draws=500)


def test_random_days_alarm_as_seldom_as_declared() -> None:
    generator = np.random.default_rng(0)
    alarms = 0
    for seed in range(200):
        window = sorted(generator.choice(DAYS, 7, replace=False).tolist())
        alarms += judged(seed, window).p <= 0.05
    assert alarms <= 18  # 10 expected; of 200 at 5 %, 18 are exceeded once in 300 times


def test_independent_rows_alarm_as_seldom_as_declared() -> None:
    alarms = 0
    for seed in range(200):
        generator = np.random.default_rng(seed)
        names = generator.choice([f"c{i}" for i in range(50)], 2000).astype(object)
        bins = [text_bins("name", names[:1000])]
        parts = [count(bins, {"name": each}, np.zeros(1000)) for each in np.split(names, 2)]
        found = judge(bins, *parts, generator, independent_rows=True, draws=500)
        alarms += found.p <= 0.05
    assert alarms <= 18


def shifted(name: str, by: float) -> Callable:
    return lambda columns: {**columns, name: columns[name] + by}


def with_holes(share: float) -> Callable:
    def change(columns: Columns) -> Columns:
        hole = np.random.default_rng(1).random(len(columns["calm"])) < share
        return {**columns, "calm": np.where(hole, np.nan, columns["calm"])}

    return change


def moved(columns: Columns) -> Columns:
    gone = np.random.default_rng(1).random(len(columns["shop"])) < 0.6
    return {**columns, "shop": np.where(gone, "north", columns["shop"]).astype(object)}


@pytest.mark.parametrize(
    ("change", "cause", "aspect"),
    [
        (shifted("calm", 0.25), "calm", "values"),
        (shifted("weather", 3.0), "weather", "values"),
        (with_holes(0.05), "calm", "missing"),
        (moved, "shop", "values"),
    ],
    ids=["shift", "weather", "missing", "mix"],
)
def test_a_change_within_a_week_is_found_and_named(
    change: Callable, cause: str, aspect: str
) -> None:
    for seed in range(5):
        found = judged(seed, list(range(40, 47)), change)
        assert found.p < 0.02
        assert (found.compared[0].column, found.compared[0].aspect) == (cause, aspect)
        named = [each.column for each in changed(found.compared, 0.05, 0.02)]
        assert named[0] == cause


def test_other_weather_in_one_week_is_no_alarm() -> None:
    assert all(judged(seed, list(range(40, 47))).p > 0.01 for seed in range(10))


@pytest.mark.parametrize("window", [[40], [40, 41, 42]], ids=["a day", "three days in a row"])
def test_too_short_a_window_is_not_judged(window: list[int]) -> None:
    assert judged(0, window, shifted("calm", 5.0)).p is None


def test_a_week_is_judged_beside_a_long_history() -> None:
    generator = np.random.default_rng(0)
    week = list(range(300, 307))
    found = judge(*split(*year(0, days=400, rows=50), week), generator, draws=500)
    assert found.p is not None
    assert found.p > 0.01


def test_a_week_of_a_shop_that_is_closed_on_sundays_is_judged() -> None:
    columns, day = year(0)
    opened = day % 7 != 0
    columns, day = {n: v[opened] for n, v in columns.items()}, day[opened]
    week = [45, 46, 47, 48, 50, 51]
    generator = np.random.default_rng(0)
    found = judge(*split(columns, day, week, shifted("calm", 0.25)), generator, draws=500)
    assert found.p is not None
    assert found.p < 0.02


def test_nothing_to_compare_is_not_judged() -> None:
    columns, day = year(0)
    bins, reference, window = split(columns, day, [40])
    empty = Profile(np.array([], np.int64), {n: c[:0] for n, c in window.counts.items()})
    generator = np.random.default_rng(0)
    assert judge(bins, reference, empty, generator).p is None
    assert judge(bins, empty, window, generator).p is None
    assert judge([], reference, window, generator).p is None


def test_few_blocks_say_how_small_a_rate_they_can_show() -> None:
    found = judge(*split(*year(0, days=6), [1, 4]), np.random.default_rng(0), draws=500)
    assert found.smallest == pytest.approx(1 / 15)  # 2 of 6 days
    assert found.p >= found.smallest


def test_an_effect_below_the_least_is_not_listed() -> None:
    found = judged(0, list(range(40, 47)), shifted("calm", 0.25))
    assert changed(found.compared, 0.05, least_effect=0.5) == []


def test_the_same_seed_gives_the_same_answer() -> None:
    assert judged(3, [1, 5, 9]) == judged(3, [1, 5, 9])
