"""Measures are scikit-learn's, and their intervals cover what they promise to cover."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from contracts.params import Cost
from contracts.schema import ANSWER, BASELINE
from pipeline.evaluation.bootstrap import bootstrap, sample_rows
from pipeline.evaluation.measures import measure
from pipeline.evaluation.thresholds import GRID, choose_threshold
from pipeline.evaluation.weighted import calibration_error
from pipeline.frames import DatasetError
from tests.pipeline.holdouts import TARGETS, make_holdout, make_params, make_schema, with_groups

TASKS = list(TARGETS)


def _measure(frame: pd.DataFrame, task: str, split: str = "shuffled") -> dict:
    rng = np.random.default_rng(1)
    return measure(frame, make_schema(task), make_params(task, split), rng)


def test_binary_measures_are_those_of_scikit_learn() -> None:
    frame = make_holdout("binary")
    frame[f"{ANSWER}1"] = frame[f"{ANSWER}1"].round(2)  # ties
    frame[f"{ANSWER}0"] = 1 - frame[f"{ANSWER}1"]
    found = _measure(frame, "binary")
    truths, chances = frame["late"].to_numpy(), frame[f"{ANSWER}1"].to_numpy()
    decided = chances >= 0.4

    expected = {
        "roc_auc": sk.roc_auc_score(truths, chances),
        "average_precision": sk.average_precision_score(truths, chances),
        "log_loss": sk.log_loss(truths, chances),
        "brier": sk.brier_score_loss(truths, chances),
        "precision": sk.precision_score(truths, decided),
        "recall": sk.recall_score(truths, decided),
        "f1": sk.f1_score(truths, decided),
        "accuracy": sk.accuracy_score(truths, decided),
        "baseline_log_loss": sk.log_loss(truths, frame[f"{BASELINE}1"]),
        "positive_rate": truths.mean(),
        "threshold": 0.4,
        "rows": len(frame),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert found["confusion_matrix"] == sk.confusion_matrix(truths, decided).tolist()


def test_multiclass_measures_are_those_of_scikit_learn() -> None:
    frame = make_holdout("multiclass")
    found = _measure(frame, "multiclass")
    classes = list(TARGETS["multiclass"].classes)
    truths = TARGETS["multiclass"].truths(frame["late"]).astype(int)
    chances = frame[[ANSWER + name for name in classes]].to_numpy()
    decided = chances.argmax(axis=1)
    one_hot = np.eye(3)[truths]

    expected = {
        "roc_auc": sk.roc_auc_score(truths, chances, multi_class="ovr"),
        "average_precision": sk.average_precision_score(one_hot, chances),
        "log_loss": sk.log_loss(truths, chances),
        "brier": ((chances - one_hot) ** 2).sum(axis=1).mean(),
        "precision": sk.precision_score(truths, decided, average="macro"),
        "recall": sk.recall_score(truths, decided, average="macro"),
        "f1": sk.f1_score(truths, decided, average="macro"),
        "accuracy": sk.accuracy_score(truths, decided),
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert found["confusion_matrix"] == sk.confusion_matrix(truths, decided).tolist()


def test_regression_measures_are_those_of_scikit_learn() -> None:
    frame = make_holdout("regression")
    found = _measure(frame, "regression")
    truths, answers = frame["late"], frame[f"{ANSWER}value"]

    expected = {
        "mae": sk.mean_absolute_error(truths, answers),
        "rmse": sk.root_mean_squared_error(truths, answers),
        "r2": sk.r2_score(truths, answers),
        "mape": sk.mean_absolute_percentage_error(truths, answers),
        "baseline_mae": sk.mean_absolute_error(truths, frame[f"{BASELINE}value"]),
        "baseline_rmse": sk.root_mean_squared_error(truths, frame[f"{BASELINE}value"]),
        "interval_coverage": ((truths - answers).abs() <= 1.6).mean(),
        "interval_width": 3.2,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_measures_are_json_and_repeat(task: str) -> None:
    frame = make_holdout(task)
    texts = {json.dumps(_measure(frame, task), allow_nan=False) for _ in range(2)}

    assert len(texts) == 1


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("split", ["time", "shuffled", "grouped"])
def test_every_interval_holds_its_measure(task: str, split: str) -> None:
    frame = make_holdout(task)
    frame = with_groups(frame, 10) if split == "grouped" else frame
    found = _measure(frame, task, split)

    assert {"loss", "skill"} < found["intervals"].keys()
    for name, (low, high) in found["intervals"].items():
        assert low <= found[name] <= high, name


def test_rows_that_belong_together_widen_the_interval() -> None:
    frame = make_holdout("regression", rows=400)
    repeated = frame.loc[np.repeat(frame.index, 10)].reset_index(drop=True)
    alone = _measure(repeated, "regression")["intervals"]["loss"]
    together = _measure(with_groups(repeated, 10), "regression", "grouped")["intervals"]["loss"]

    assert np.ptp(together) > 2 * np.ptp(alone)


def test_skill_of_the_baseline_itself_is_zero() -> None:
    frame = make_holdout("multiclass")
    for output in TARGETS["multiclass"].outputs:
        frame[ANSWER + output] = frame[BASELINE + output]

    assert _measure(frame, "multiclass")["skill"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_one_class_is_refused(task: str) -> None:
    frame = make_holdout(task)
    one = frame[frame["late"] == TARGETS[task].classes[1]]

    with pytest.raises(DatasetError, match="only one class"):
        _measure(one, task)


@pytest.mark.parametrize("task", TASKS)
def test_no_row_and_broken_answers_are_refused(task: str) -> None:
    frame = make_holdout(task)
    with pytest.raises(DatasetError, match="no row is held out"):
        _measure(frame.iloc[:0], task)
    frame.loc[3, ANSWER + TARGETS[task].outputs[0]] = np.nan
    with pytest.raises(DatasetError, match="missing or infinite"):
        _measure(frame, task)


def test_percentage_is_undefined_where_a_target_is_zero() -> None:
    frame = make_holdout("regression")
    frame.loc[0, "late"] = 0.0
    found = _measure(frame, "regression")

    assert found["mape"] is None
    assert "mape" not in found["intervals"]


def test_one_block_has_no_interval() -> None:
    frame = make_holdout("binary", rows=50)
    frame["event_time"] = frame["event_time"].iloc[0]

    assert _measure(frame, "binary", "time")["intervals"] == {}


def test_calibration_error_of_a_known_case() -> None:
    chances = np.repeat([0.1, 0.9], 50)
    hits = np.concatenate([np.repeat([1.0, 0.0], [10, 40]), np.ones(50)])

    # Of 50 rows promised 10 %, 20 % come true; of 50 promised 90 %, all.
    assert calibration_error(chances, hits) == pytest.approx((0.1 + 0.1) / 2)
    assert calibration_error(np.full(100, 0.6), hits) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("blocks", [8, 30])
def test_intervals_cover_the_truth_as_often_as_promised(blocks: int) -> None:
    rng = np.random.default_rng(3)
    numbers, repetitions, covered = np.repeat(np.arange(blocks), 5), 300, 0
    for _ in range(repetitions):
        values = rng.normal(0, 1, blocks)[numbers] + rng.normal(0, 1, len(numbers))

        def mean(weights: np.ndarray, values: np.ndarray = values) -> dict[str, float]:
            return {"mean": float(weights @ values / weights.sum())}

        low, high = bootstrap(mean, numbers, 200, rng)["mean"]
        covered += low <= 0 <= high

    assert 0.91 <= covered / repetitions <= 0.985


@pytest.mark.parametrize("blocks", [5, 4000])
def test_a_sample_keeps_blocks_whole_or_keeps_them_all(blocks: int) -> None:
    numbers = np.arange(20_000) % blocks
    rows = sample_rows(numbers, 5000, np.random.default_rng(1))

    assert len(rows) == 5000
    counts = np.bincount(numbers[rows], minlength=blocks)
    assert (counts > 0).all() if blocks == 5 else set(counts) == {0, 5}


def test_threshold_without_a_cost_has_the_largest_f1() -> None:
    frame = make_holdout("binary")
    truths, chances = frame["late"].to_numpy(float), frame[f"{ANSWER}1"].to_numpy()
    threshold = choose_threshold(truths, chances, None)

    scores = [sk.f1_score(truths, chances >= at) for at in GRID[::10]]
    assert sk.f1_score(truths, chances >= threshold) >= max(scores)
    assert threshold == round(threshold, 3)


def test_threshold_follows_the_cost() -> None:
    rng = np.random.default_rng(5)
    chances = rng.random(200_000)
    truths = (rng.random(200_000) < chances).astype(float)

    # With true probabilities, the best threshold is the false alarm's share of both costs.
    assert choose_threshold(truths, chances, Cost(false_positive=1, false_negative=4)) == (
        pytest.approx(0.2, abs=0.03)
    )
    assert choose_threshold(truths, chances, Cost(false_positive=3, false_negative=1)) == (
        pytest.approx(0.75, abs=0.03)
    )
