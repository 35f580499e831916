"""The choice never sees the held-out rows, and their answers come from other rows only."""

import numpy as np
import pandas as pd
import pytest

from contracts.params import Params, Task
from contracts.schema import GROUP, FeatureSchema
from pipeline.describe import infer_schema
from pipeline.evaluate import backtest, calibration_points, roc_points
from pipeline.evaluation.measures import measure
from pipeline.frames import DatasetError
from pipeline.prepare import prepare
from pipeline.search import Chosen, choose_draw
from pipeline.splits import backtest_folds, holdout_rows, search_folds
from pipeline.train import choose
from tests.pipeline.tables import make_params, make_table

RECIPE = Chosen("logistic_regression", {"C": 0.1}, -0.5)
TASKS: list[Task] = ["binary", "multiclass", "regression"]


@pytest.fixture(scope="module")
def holdout(january: pd.DataFrame, schema: FeatureSchema, params: Params) -> pd.DataFrame:
    return backtest(january, schema, RECIPE, params).holdout


def test_choice_ignores_the_held_out_days(
    january: pd.DataFrame, schema: FeatureSchema, params: Params
) -> None:
    held = holdout_rows(january, schema, params)
    flipped = january.assign(late=january.late.where(~held, 1 - january.late))

    results = [choose(frame, schema, params) for frame in (january, flipped)]

    assert results[0][0] == results[1][0]
    pd.testing.assert_frame_equal(results[0][1], results[1][1])


def test_search_tries_every_candidate(
    january: pd.DataFrame, schema: FeatureSchema, params: Params
) -> None:
    choice, table = choose(january, schema, params)

    assert set(table["candidate"]) == set(params.train.candidates)
    assert choice.recipe.score in set(table["mean_score"])
    assert 0 < choice.threshold < 1


def test_backtest_covers_the_held_out_days_once(
    holdout: pd.DataFrame, january: pd.DataFrame, schema: FeatureSchema, params: Params
) -> None:
    held = holdout_rows(january, schema, params)

    expected = january[held].reset_index(drop=True)
    pd.testing.assert_frame_equal(holdout[expected.columns], expected)
    assert january.event_time[held].min() > january.event_time[~held].max()


def test_backtest_does_not_learn_from_its_own_fold(
    holdout: pd.DataFrame, january: pd.DataFrame, schema: FeatureSchema, params: Params
) -> None:
    last_fold = january.event_time >= holdout.event_time.max().floor("D") - pd.Timedelta(days=2)
    flipped = january.assign(late=january.late.where(~last_fold, 1 - january.late))

    again = backtest(flipped, schema, RECIPE, params).holdout

    np.testing.assert_array_equal(again[schema.answers], holdout[schema.answers])


def test_model_beats_the_training_rate(
    holdout: pd.DataFrame, schema: FeatureSchema, params: Params
) -> None:
    metrics = measure(holdout, schema, params, np.random.default_rng(0))

    assert metrics["roc_auc"] > 0.55
    assert metrics["log_loss"] < metrics["baseline_log_loss"]


def test_plots_run_from_corner_to_corner(holdout: pd.DataFrame, schema: FeatureSchema) -> None:
    roc = roc_points(holdout, schema)
    rates = ["false_positive_rate", "true_positive_rate"]

    assert roc[rates].iloc[0].tolist() == [0, 0]
    assert roc[rates].iloc[-1].tolist() == [1, 1]
    assert len(calibration_points(holdout, schema)) == 10


def test_holdout_that_leaves_nothing_is_refused(
    january: pd.DataFrame, schema: FeatureSchema, params: Params
) -> None:
    evaluate = params.evaluate.model_copy(update={"holdout_days": 40})

    with pytest.raises(DatasetError, match="leave no earlier row"):
        holdout_rows(january, schema, params.model_copy(update={"evaluate": evaluate}))


@pytest.mark.parametrize("task", TASKS)
def test_every_task_is_learned_and_judged_without_a_clock(task: Task) -> None:
    params = make_params(task)
    frame, _ = prepare([make_table(task, 1500)], params)
    schema = infer_schema(frame, params)

    choice, table = choose(frame, schema, params)
    found = backtest(frame, schema, choice.recipe, params).holdout
    metrics = measure(found, schema, params, np.random.default_rng(0))

    assert set(table["candidate"]) == set(params.train.candidates)
    assert len(found) == holdout_rows(frame, schema, params).sum() == pytest.approx(375, abs=2)
    assert metrics["loss"] < 0.8 * metrics["baseline_loss"]
    assert (choice.margin is not None) == (task == "regression")
    assert set(choice.losses) == ({"none"} if task == "regression" else {"none", "sigmoid"})
    assert len(roc_points(found, schema)["class"].unique()) == {"binary": 1, "multiclass": 3}.get(
        task, 0
    )


def test_a_rare_class_is_judged_in_fewer_folds() -> None:
    table = make_table("multiclass", 400)
    common = table[table["target"] != "high"]
    rare = table[table["target"] == "high"].head(10)
    params = make_params("multiclass")
    evaluate = params.evaluate.model_copy(update={"folds": 5})
    params = params.model_copy(update={"evaluate": evaluate})
    frame, _ = prepare([pd.concat([common, rare])], params)
    schema = infer_schema(frame, params)

    folds = list(backtest_folds(frame, schema, params))

    held = np.flatnonzero(holdout_rows(frame, schema, params))
    assert len(folds) in (2, 3)  # of ten rows, two or three are held out
    assert sorted(np.concatenate([judged for _, judged in folds])) == held.tolist()


def test_rows_of_one_group_stay_together() -> None:
    table = make_table("binary", 600).assign(customer=np.arange(600) // 4)
    data = make_params("binary").data.model_copy(update={"split": "grouped", "id": "customer"})
    params = make_params("binary").model_copy(update={"data": data})
    frame, _ = prepare([table], params)
    schema = infer_schema(frame, params)

    groups = frame[GROUP].to_numpy()
    for folds in (search_folds, backtest_folds):
        for learned, judged in folds(frame, schema, params):
            assert not set(groups[learned]) & set(groups[judged])
    held = holdout_rows(frame, schema, params)
    assert not set(groups[held]) & set(groups[~held])


@pytest.mark.slow
def test_halving_judges_its_last_draws_on_all_rows() -> None:
    params = make_params("binary")
    halving = {"strategy": "halving", "iterations": 6}
    search = params.train.search.model_copy(update=halving)
    grid = {"max_iter": [10, 20, 30], "learning_rate": [0.05, 0.1]}
    changes = {"search": search, "candidates": {"gradient_boosting": grid}}
    train = params.train.model_copy(update=changes)
    params = params.model_copy(update={"train": train})
    frame, _ = prepare([make_table("binary", 1500)], params)

    choice, table = choose(frame, infer_schema(frame, params), params)

    assert table["rows"].nunique() > 1
    judged = table[table["rows"] == table["rows"].max()]
    assert choice.recipe.score in set(judged["mean_score"])


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
            "rows": [100, 100],
            "complexity": [1.0, 400.0],
        }
    )
    chosen = choose_draw(table, params.train)

    assert chosen.candidate == expected
    assert chosen.score == scores[0 if expected == "logistic_regression" else 1]


def test_without_a_preference_the_simplest_of_the_near_best_is_chosen(params: Params) -> None:
    table = pd.DataFrame(
        {
            "candidate": ["logistic_regression", "gradient_boosting", "gradient_boosting"],
            "values": [{"C": 1.0}, {"max_iter": 80}, {"max_iter": 800}],
            "mean_score": [-0.9, -0.505, -0.5],
            "std_score": [0.02, 0.02, 0.02],
            "rows": [100, 100, 100],
            "complexity": [1.0, 400.0, 4000.0],
        }
    )
    search = params.train.search.model_copy(update={"prefer": "simplest"})

    chosen = choose_draw(table, params.train.model_copy(update={"search": search}))

    assert chosen.values == {"max_iter": 80}
