"""Excess loss is zero for a calibrated model, large for a wrong one, and judged by days."""

import numpy as np
import pandas as pd
import pytest

from contracts.schema import EVENT_TIME, OUTCOME, Feature, FeatureSchema, Target
from monitoring.performance import measure, t_over_days


def _schema(target: Target) -> FeatureSchema:
    return FeatureSchema((Feature("x", "numeric", False),), target, EVENT_TIME)


SCHEMA = _schema(Target("y", (0, 1)))


def _scores(seed: int, shift: float = 0.0, days: int = 28, a_day: int = 200) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    probability = random.uniform(0.05, 0.6, days * a_day)
    outcome = (random.random(days * a_day) < probability + shift).astype(int)
    start = pd.Timestamp("2013-06-01", tz="UTC")
    times = [start + pd.Timedelta(days=i // a_day) for i in range(days * a_day)]
    answers = dict(zip(SCHEMA.answers, [1 - probability, probability], strict=True))
    return pd.DataFrame({EVENT_TIME: times, OUTCOME: outcome, **answers})


def test_calibrated_model_has_no_excess() -> None:
    alarms = sum(abs(measure(_scores(seed), SCHEMA).t or 0) > 3 for seed in range(20))

    assert alarms == 0


def test_more_positives_than_promised_is_excess() -> None:
    performance = measure(_scores(0, shift=0.2), SCHEMA)

    assert performance.excess is not None and performance.excess > 0.02
    assert performance.t is not None and performance.t > 3
    assert (performance.rows, performance.days) == (5600, 28)


def test_easy_rows_do_not_look_like_improvement() -> None:
    easy = _scores(0)
    easy = easy[easy[SCHEMA.answers[1]] < 0.2]

    assert abs(measure(easy, SCHEMA).t or 0) < 3


def test_no_outcomes_is_not_judged() -> None:
    performance = measure(_scores(0).head(0), SCHEMA)

    assert (performance.rows, performance.days, performance.t) == (0, 0, None)


def test_one_class_has_no_auc() -> None:
    one = _scores(0).assign(**{OUTCOME: 0})

    assert measure(one, SCHEMA).roc_auc is None
    assert measure(one, SCHEMA).loss is not None


@pytest.mark.parametrize("daily", [[0.1], [0.1, 0.1, 0.1]])
def test_too_few_or_constant_days_have_no_t(daily: list[float]) -> None:
    assert t_over_days(pd.Series(daily)) is None


def test_named_classes_are_judged_alike() -> None:
    scores = _scores(0)
    names = ("on time", "late")
    named = _schema(Target("y", names))
    answers = dict(zip(SCHEMA.answers, named.answers, strict=True))
    renamed = scores.rename(columns=answers).assign(
        **{OUTCOME: scores[OUTCOME].map({0: "on time", 1: "late"})}
    )

    assert measure(renamed, named) == measure(scores, SCHEMA)


def test_many_classes_have_an_excess_and_no_auc() -> None:
    schema = _schema(Target("y", ("a", "b", "c"), task="multiclass"))
    random = np.random.default_rng(0)
    answers = random.dirichlet([1, 1, 1], 5600)
    drawn = [random.choice(3, p=row) for row in answers]
    scores = _scores(0)[[EVENT_TIME]].assign(**{OUTCOME: np.array(["a", "b", "c"])[drawn]})
    scores[schema.answers] = answers

    performance = measure(scores, schema)

    assert performance.roc_auc is None
    assert performance.t is not None and abs(performance.t) < 3


def test_regression_is_judged_against_the_error_that_evaluation_found() -> None:
    schema = _schema(Target("y", task="regression"))
    errors = np.random.default_rng(0).normal(0, 1, 5600)
    scores = _scores(0)[[EVENT_TIME]].assign(**{OUTCOME: 10 + errors, schema.answers[0]: 10.0})
    usual = float(np.abs(errors).mean())

    assert measure(scores, schema).t is None
    assert abs(measure(scores, schema, usual).t or 0) < 3
    assert (measure(scores, schema, usual / 2).t or 0) > 3


def test_figures_come_with_intervals_over_days() -> None:
    found = measure(_scores(0, shift=0.2), SCHEMA)

    assert found.expected is not None and found.loss is not None
    assert found.excess == pytest.approx(found.loss - found.expected)
    for value, interval in (
        (found.loss, found.loss_interval),
        (found.roc_auc, found.roc_auc_interval),
        (found.excess, found.excess_interval),
    ):
        assert interval is not None and interval[0] < value < interval[1]
    assert found.excess_interval[0] > 0
    reach = (found.excess_interval[1] - found.excess_interval[0]) / 2
    assert found.excess / reach == pytest.approx(found.t / 2.05, rel=0.01)  # t of 27 degrees


def test_one_day_has_no_interval() -> None:
    found = measure(_scores(0, days=1), SCHEMA)

    assert found.loss is not None
    assert found.loss_interval is found.roc_auc_interval is found.excess_interval is None
