"""What bench-estimate makes of its windows; the estimates themselves are tested in monitoring."""

from typing import Any

import pytest

from benchmarks.estimate import missed, summarise
from benchmarks.estimate_tables import as_tables

GUESSES = {"naive": 0.6, "training": 0.7, "holdout_cbpe": 0.7}


def window(start: str, value: float, realised: float, low: float | None = 0.4) -> dict[str, Any]:
    high = None if low is None else 0.6
    one = {"value": value, "before": value, "low": low, "high": high, "usual": 0.5,
           "realised": realised, **GUESSES}  # fmt: skip
    return {"start": start, "rows": 10, "figures": dict.fromkeys(("roc_auc", "brier", "loss"), one)}


def test_errors_and_intervals_are_summed_up_by_stretch() -> None:
    found = summarise([window("2013-05-01", 0.5, 0.52), window("2013-08-01", 0.5, 0.7, None)])

    late = found["july_to_december"]["roc_auc"]
    assert (late["windows"], late["known"], late["held"]) == (1, 0, None)
    assert late["error"]["estimated"] == pytest.approx(0.2)
    whole = found["april_to_december"]["roc_auc"]
    assert (whole["windows"], whole["known"], whole["held"]) == (2, 1, 1.0)
    assert whole["error"]["naive"] == pytest.approx(0.09)


def test_every_bar_that_is_missed_is_named() -> None:
    good, bad = window("2013-08-01", 0.5, 0.51), window("2013-08-01", 0.5, 0.65)
    may = window("2013-05-01", 0.5, 0.51)
    fine = {kind: summarise([may, good]) for kind in ("weeks", "months")}
    worse = {kind: summarise([may, bad]) for kind in ("weeks", "months")}

    assert missed(fine) == []
    told = " ".join(missed(worse))
    assert "weekly error of roc_auc (estimated) 0.0800 > 0.038" in told
    assert "weekly error of brier (before) 0.0800 > 0.026" in told
    assert "weekly error of brier is no better than that of the last month" in told
    assert "50% of the months' brier in their intervals" in told


def test_an_interval_that_nobody_knows_is_shown_as_such() -> None:
    windows = [window("2013-05-01", 0.5, 0.51, None), window("2013-08-01", 0.5, 0.51, None)]
    one = {"summary": {"months": summarise(windows)}, "windows": {"months": windows}}
    table = as_tables({"systems": {"operated": one}})

    assert "| 2 months, April to December | ROC AUC | 0.0100 |" in table
    assert "cannot be known" in table
    assert "| 2013-08 | 0.500 | 0.510 |" in table
