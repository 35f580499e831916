"""Excess loss is zero for a calibrated model, large for a wrong one, and judged by days."""

import numpy as np
import pandas as pd
import pytest

from monitoring.performance import measure, t_over_days


def _scores(seed: int, shift: float = 0.0, days: int = 28, a_day: int = 200) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    probability = random.uniform(0.05, 0.6, days * a_day)
    outcome = (random.random(days * a_day) < probability + shift).astype(int)
    start = pd.Timestamp("2013-06-01", tz="UTC")
    times = [start + pd.Timedelta(days=i // a_day) for i in range(days * a_day)]
    return pd.DataFrame({"event_time": times, "probability": probability, "outcome": outcome})


def test_calibrated_model_has_no_excess() -> None:
    alarms = sum(abs(measure(_scores(seed), 1).t or 0) > 3 for seed in range(20))

    assert alarms == 0


def test_more_positives_than_promised_is_excess() -> None:
    performance = measure(_scores(0, shift=0.2), 1)

    assert performance.excess is not None and performance.excess > 0.02
    assert performance.t is not None and performance.t > 3
    assert (performance.rows, performance.days) == (5600, 28)


def test_easy_rows_do_not_look_like_improvement() -> None:
    easy = _scores(0)
    easy = easy[easy.probability < 0.2]

    assert abs(measure(easy, 1).t or 0) < 3


def test_no_outcomes_is_not_judged() -> None:
    performance = measure(_scores(0).head(0), 1)

    assert (performance.rows, performance.days, performance.t) == (0, 0, None)


def test_one_class_has_no_auc() -> None:
    one = _scores(0).assign(outcome=0)

    assert measure(one, 1).roc_auc is None
    assert measure(one, 1).log_loss is not None


@pytest.mark.parametrize("daily", [[0.1], [0.1, 0.1, 0.1]])
def test_too_few_or_constant_days_have_no_t(daily: list[float]) -> None:
    assert t_over_days(pd.Series(daily)) is None


def test_named_class_can_be_the_positive_one() -> None:
    scores = _scores(0)
    named = scores.assign(outcome=scores.outcome.map({0: "on time", 1: "late"}))

    assert measure(named, "late") == measure(scores, 1)
