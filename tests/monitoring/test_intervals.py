"""Intervals over days hold the truth as often as they say, where intervals over rows do not."""

import numpy as np

from monitoring.intervals import MOST_BLOCKS, jackknife_days


def _days(random: np.random.Generator, days: int, a_day: int) -> tuple[np.ndarray, np.ndarray]:
    """Values that share half of their variance with their day; their mean is 0."""
    shared = np.repeat(random.normal(0, 1, days), a_day)
    return shared + random.normal(0, 1, days * a_day), np.repeat(np.arange(days), a_day)


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    held = 0
    for seed in range(400):
        values, days = _days(np.random.default_rng(seed), 14, 50)
        low, high = jackknife_days(lambda kept, values=values: values[kept].mean(), days)
        held += low <= 0 <= high

    assert 0.92 <= held / 400 <= 0.98


def test_many_days_are_left_out_in_runs() -> None:
    values, days = _days(np.random.default_rng(0), 365, 3)
    calls = []

    def mean(kept: np.ndarray) -> float:
        calls.append(kept.sum())
        return float(values[kept].mean())

    low, high = jackknife_days(mean, days)
    assert low < values.mean() < high
    assert len(calls) == MOST_BLOCKS + 1


def test_one_day_and_what_cannot_be_said_have_no_interval() -> None:
    assert jackknife_days(lambda kept: 1.0, np.zeros(5)) is None
    assert jackknife_days(lambda kept: None, np.arange(5)) is None
    some = iter([1.0, None, 1.0, 1.0])
    assert jackknife_days(lambda kept: next(some), np.arange(3)) is None
