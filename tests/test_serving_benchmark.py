"""What bench-serve and soak make of their figures; the loads themselves are no test."""

import pytest

from benchmarks.serving.bars import bars_table, judge, results_table
from benchmarks.serving.measure import median
from benchmarks.soak import find_pause, slope_of

ECHO = {"rps": 50_000, "p50_ms": 1.0, "p99_ms": 2.0, "cpu_us": 18, "errors": 0}
OURS = {**ECHO, "rps": 20_000, "p99_ms": 3.9}
TUTORIAL = {**ECHO, "rps": 200}


def results(**ours: float) -> dict:
    systems = {"echo": ECHO, "sqlite": {**OURS, **ours}, "tutorial": TUTORIAL}
    return {name: {"c16": found, "c64": found} for name, found in systems.items()}


def test_every_bar_is_judged_on_its_own_side() -> None:
    large = {"c1": {"rows_per_second": 90_000}, "c4": {"rows_per_second": 120_000}}
    bars = judge(results(), large, rss_bytes=149e6, start_seconds=1.4)
    assert all(bar.passed for bar in bars)
    assert [round(bar.value, 3) for bar in bars] == [0.4, 100, 3.9, 3.9, 120_000, 149, 1.4]
    worse = judge(results(rps=15_000, p99_ms=9.0), large, rss_bytes=151e6, start_seconds=1.6)
    assert [bar.passed for bar in worse] == [False, False, False, False, True, False, False]


def test_the_tables_say_which_bar_was_missed() -> None:
    bars = judge(results(p99_ms=9.0), {"c1": {"rows_per_second": 1e6}}, 1e6, 1.0)
    table = bars_table([bar.as_json() for bar in bars])
    assert "| p99 in ms, 16 connections | 9.00 | ≤ 4 | 4 | NO |" in table
    assert "| sqlite | 64 | 20,000 | 0.400 |" in results_table(results())


def test_requests_and_errors_of_the_rounds_are_added_up() -> None:
    rounds = [{**OURS, "requests": 10, "rps": rps, "errors": 1} for rps in (1.0, 5.0, 2.0)]
    found = median(rounds)
    assert (found["rps"], found["requests"], found["errors"]) == (2.0, 30, 3)


def test_the_slope_leaves_out_the_warm_up() -> None:
    samples = [(float(s), 100.0 if s < 60 else 140 + 0.5 * s / 60) for s in range(0, 361, 5)]
    assert slope_of(samples) == pytest.approx(0.5)


def test_the_longest_pause_that_keeps_the_rate_is_taken() -> None:
    asked = []

    def rate_with(pause_ms: int) -> float:
        asked.append(pause_ms)
        return 128_000 / (pause_ms + 3)  # an answer takes 3 ms

    assert find_pause(10_000, rate_with) == 9  # 10,666/s; with 10 ms 9,846/s
    assert asked == [12, 11, 10, 9]
    assert find_pause(1e6, rate_with) == 1
