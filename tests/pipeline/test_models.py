"""Every candidate keeps its answers through skops and ONNX, and its bytes from run to run."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from contracts.onnx_model import OnnxModel
from contracts.params import Params, Task
from contracts.schema import FeatureSchema
from contracts.skops_model import load_model
from pipeline.candidates import build
from pipeline.describe import infer_schema
from pipeline.frames import model_frame
from pipeline.model_file import dump_model
from pipeline.onnx_export import ParityError, make_hostile, prove_parity, to_onnx
from pipeline.package import convert
from pipeline.prepare import prepare
from pipeline.search import Chosen, answer_rows
from pipeline.train import fit
from tests.pipeline.tables import make_params, make_table


@pytest.fixture(scope="session")
def model(chosen: Chosen, january: pd.DataFrame, schema: FeatureSchema, params: Params) -> Any:
    return fit(chosen, january, schema, params)


def test_onnx_answers_the_same_on_hostile_rows(
    model: Any, january: pd.DataFrame, schema: FeatureSchema
) -> None:
    onnx = OnnxModel(to_onnx(model, schema), schema)

    assert prove_parity(model, onnx, january, 1e-5, np.random.default_rng(0)) < 1e-5


def test_hostile_rows_are_hostile(january: pd.DataFrame, schema: FeatureSchema) -> None:
    hostile = make_hostile(january.head(500), schema, np.random.default_rng(0))

    assert hostile.temp.isna().sum() > 100
    assert (hostile.temp == np.float32(1e30)).sum() > 10
    assert not set(hostile.carrier) <= set(january.carrier)


def test_parity_is_refused_when_models_differ(
    model: Any, chosen: Chosen, january: pd.DataFrame, schema: FeatureSchema, params: Params
) -> None:
    other = fit(chosen, january.head(2500), schema, params)
    onnx = OnnxModel(to_onnx(other, schema), schema)

    with pytest.raises(ParityError, match="differs from scikit-learn by"):
        prove_parity(model, onnx, january, 1e-5, np.random.default_rng(0))


def test_skops_gives_the_same_model_back(
    model: Any, january: pd.DataFrame, schema: FeatureSchema
) -> None:
    frame = model_frame(january, schema)
    again = load_model(dump_model(model))

    np.testing.assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))


def test_refitting_gives_the_same_bytes(
    model: Any, chosen: Chosen, january: pd.DataFrame, schema: FeatureSchema, params: Params
) -> None:
    again = fit(chosen, january, schema, params)

    assert dump_model(again) == dump_model(model)
    assert to_onnx(again, schema) == to_onnx(model, schema)


def test_answers_are_probabilities(
    model: Any, january: pd.DataFrame, schema: FeatureSchema
) -> None:
    hostile = make_hostile(january, schema, np.random.default_rng(0))
    probability = OnnxModel(to_onnx(model, schema), schema).answers_of(hostile)

    assert np.isfinite(probability).all()
    assert ((probability >= 0) & (probability <= 1)).all()


def test_unknown_candidate_is_named(schema: FeatureSchema, params: Params) -> None:
    with pytest.raises(ValueError, match=r"train\.candidates: 'oracle' is none of"):
        build("oracle", schema, params.train, {})


CANDIDATES = {
    "logistic_regression": {"C": 1.0},
    "ridge": {"alpha": 1.0},
    "random_forest": {"n_estimators": 15, "min_samples_leaf": 3},
    "gradient_boosting": {"max_iter": 15},
    "lightgbm": {"n_estimators": 15},
    "sgd": {"alpha": 0.001},
}
CASES: list[tuple[Task, str, str]] = [
    (task, candidate, calibration)
    for task in ("binary", "multiclass", "regression")
    for candidate in CANDIDATES
    for calibration in (["none"] if task == "regression" else ["none", "sigmoid"])
    if candidate != ("logistic_regression" if task == "regression" else "ridge")
    and (candidate, calibration) != ("lightgbm", "sigmoid")
]


@pytest.mark.parametrize(("task", "candidate", "calibration"), CASES)
def test_every_candidate_answers_every_task_the_same_in_onnx_and_skops(
    task: Task, candidate: str, calibration: str
) -> None:
    params = make_params(task)
    frame, _ = prepare([make_table(task, 1200)], params)
    schema = infer_schema(frame, params)
    recipe = Chosen(candidate, CANDIDATES[candidate], 0.0, calibration)
    model = fit(recipe, frame, schema, params)

    onnx = OnnxModel(to_onnx(model, schema), schema)
    again = load_model(dump_model(model))

    assert prove_parity(model, onnx, frame, 1e-5, np.random.default_rng(0)) < 1e-5
    np.testing.assert_array_equal(
        answer_rows(again, model_frame(frame, schema), schema),
        answer_rows(model, model_frame(frame, schema), schema),
    )


@pytest.mark.slow
@pytest.mark.parametrize(("task", "candidate", "calibration"), CASES)
def test_onnx_flips_no_class_in_a_hundred_thousand_rows(
    task: Task, candidate: str, calibration: str
) -> None:
    params = make_params(task)
    frame, _ = prepare([make_table(task, 100_000)], params)
    schema = infer_schema(frame, params)
    recipe = Chosen(candidate, CANDIDATES[candidate], 0.0, calibration)
    model = fit(recipe, frame.head(5000), schema, params)

    onnx = OnnxModel(to_onnx(model, schema), schema)

    # It also asks hostile variants of the first 1,000 rows, and raises where a class flips.
    assert prove_parity(model, onnx, frame, 1e-5, np.random.default_rng(0)) < 1e-5


def test_model_that_onnx_cannot_hold_is_served_from_skops_and_says_why() -> None:
    params = make_params("binary")
    frame, _ = prepare([make_table("binary", 1200)], params)
    schema = infer_schema(frame, params)
    recipe = Chosen("lightgbm", CANDIDATES["lightgbm"], 0.0, "sigmoid")

    serving = convert(fit(recipe, frame, schema, params), schema, frame, params)

    assert serving.onnx is None
    assert "ONNX differs from scikit-learn" in str(serving.reason)
