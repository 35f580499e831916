"""The choice never sees the held-out days, and their answers come from earlier rows only."""

import numpy as np
import pandas as pd
import pytest

from contracts.params import Params
from contracts.schema import FeatureSchema
from pipeline.evaluate import backtest, calibration_points, measure, roc_points
from pipeline.frames import holdout_start, is_positive
from pipeline.search import Chosen, choose_draw
from pipeline.train import choose

RECIPE = Chosen("logistic_regression", {"C": 0.1}, -0.5)


@pytest.fixture(scope="module")
def holdout(january: pd.DataFrame, schema: FeatureSchema, params: Params) -> pd.DataFrame:
    return backtest(january, schema, RECIPE, params)


def test_choice_ignores_the_held_out_days(
    january: pd.DataFrame, schema: FeatureSchema, params: Params
) -> None:
    start = holdout_start(january.event_time, params.evaluate.holdout_days)
    flipped = january.assign(late=january.late.where(january.event_time < start, 1 - january.late))

    results = [choose(frame, schema, params) for frame in (january, flipped)]

    assert results[0][:2] == results[1][:2]
    pd.testing.assert_frame_equal(results[0][2], results[1][2])


def test_search_tries_every_candidate(
    january: pd.DataFrame, schema: FeatureSchema, params: Params
) -> None:
    chosen, threshold, table = choose(january, schema, params)

    assert set(table.candidate) == set(params.train.candidates)
    assert chosen.score in set(table.mean_score)
    assert 0 < threshold < 1


def test_backtest_covers_the_held_out_days_once(
    holdout: pd.DataFrame, january: pd.DataFrame, params: Params
) -> None:
    start = holdout_start(january.event_time, params.evaluate.holdout_days)

    expected = january[january.event_time >= start].reset_index(drop=True)
    pd.testing.assert_frame_equal(holdout[expected.columns], expected)


def test_backtest_does_not_learn_from_its_own_fold(
    holdout: pd.DataFrame, january: pd.DataFrame, schema: FeatureSchema, params: Params
) -> None:
    last_fold = january.event_time >= holdout.event_time.max().floor("D") - pd.Timedelta(days=2)
    flipped = january.assign(late=january.late.where(~last_fold, 1 - january.late))

    again = backtest(flipped, schema, RECIPE, params)

    np.testing.assert_array_equal(again.probability, holdout.probability)


def test_model_beats_the_training_rate(holdout: pd.DataFrame, params: Params) -> None:
    metrics = measure(holdout, 0.25, params)

    assert metrics["roc_auc"] > 0.55
    assert metrics["log_loss"] < metrics["baseline_log_loss"]


def test_measures_are_those_of_a_known_case(params: Params) -> None:
    rows = pd.DataFrame({"late": [0, 0, 1, 1], "probability": [0.1, 0.6, 0.4, 0.9]})

    metrics = measure(rows.assign(baseline=0.5), 0.5, params)

    assert metrics["roc_auc"] == 0.75
    assert metrics["precision"] == metrics["recall"] == metrics["accuracy"] == 0.5
    assert metrics["baseline_log_loss"] == pytest.approx(np.log(2), abs=1e-6)


def test_plots_run_from_corner_to_corner(holdout: pd.DataFrame, params: Params) -> None:
    target = is_positive(holdout, params.data)
    roc = roc_points(target, holdout.probability.to_numpy())
    calibration = calibration_points(target, holdout.probability.to_numpy())

    assert roc.iloc[0].tolist() == [0, 0]
    assert roc.iloc[-1].tolist() == [1, 1]
    assert len(calibration) == 10


def test_holdout_that_leaves_nothing_is_refused(january: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="leave no earlier row"):
        holdout_start(january.event_time, 40)


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([-0.50, -0.51], "gradient_boosting"), ([-0.50, -0.53], "logistic_regression")],
    ids=["within one standard error", "clearly better"],
)
def test_preferred_candidate_yields_only_to_a_clearly_better_one(
    params: Params, scores: list[float], expected: str
) -> None:
    table = pd.DataFrame(
        {
            "candidate": ["logistic_regression", "gradient_boosting"],
            "values": [{"C": 1.0}, {"max_iter": 80}],
            "mean_score": scores,
            "std_score": [0.02, 0.02],
        }
    )
    chosen = choose_draw(table, params.train)

    assert chosen.candidate == expected
    assert chosen.score == scores[0 if expected == "logistic_regression" else 1]
