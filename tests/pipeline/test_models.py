"""Every candidate keeps its answers through skops and ONNX, and its bytes from run to run."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from contracts.onnx_model import OnnxModel
from contracts.params import Params
from contracts.schema import FeatureSchema
from pipeline.candidates import build
from pipeline.frames import model_frame
from pipeline.model_file import dump_model, load_model
from pipeline.onnx_export import ParityError, make_hostile, prove_parity, to_onnx
from pipeline.search import Chosen
from pipeline.train import fit


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
    probability = OnnxModel(to_onnx(model, schema), schema).probability_of(hostile)

    assert np.isfinite(probability).all()
    assert ((probability >= 0) & (probability <= 1)).all()


def test_unknown_candidate_is_named(schema: FeatureSchema) -> None:
    with pytest.raises(ValueError, match=r"train\.candidates: 'oracle' is none of"):
        build("oracle", schema, 0, {})
