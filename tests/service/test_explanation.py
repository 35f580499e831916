import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from contracts.bundle import Bundle
from contracts.params import Task
from tests.task_bundles import KINDS, make_task_bundle

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what shap's own imports say
    from service.answer.explanation import Version, explain, prepare_version

ROW: dict[str, Any] = {
    "index": 9, 'a "quoted", name': 2.5, "größe ☃.x": None, "class": True, "probability": "red",
    "values": "never seen", "seen at": "2013-02-03T04:05:06+00:00",
}  # fmt: skip
MISSING = dict.fromkeys(ROW)


@pytest.fixture(scope="module", params=["binary", "multiclass", "regression"])
def bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_task_bundle(tmp_path_factory.mktemp("bundles") / request.param, request.param)


@pytest.fixture(scope="module")
def version(bundle: Bundle) -> Version:
    return prepare_version(bundle)


def answered(bundle: Bundle, row: dict[str, Any]) -> np.ndarray:
    found: np.ndarray = bundle.model().answers_of({name: [row[name]] for name in KINDS})[0]
    return found


def predicted(bundle: Bundle, row: dict[str, Any]) -> Any:
    answers = answered(bundle, row)
    classes = bundle.schema.target.classes
    return classes[int(answers.argmax())] if classes else float(answers[0])


@pytest.mark.parametrize("row", [ROW, MISSING], ids=["a full row", "all missing"])
def test_contributions_and_base_add_up_to_the_answer(
    bundle: Bundle, version: Version, row: dict[str, Any]
) -> None:
    found = explain(version, row, predicted(bundle, row), "an id")

    total = found["base_value"] + sum(each["contribution"] for each in found["features"])
    assert total == pytest.approx(found["value"], abs=1e-4)
    assert found["value"] in answered(bundle, row)


def test_output_is_the_one_that_the_task_answers(bundle: Bundle, version: Version) -> None:
    prediction = predicted(bundle, ROW)
    found = explain(version, ROW, prediction, "an id")

    expected = {
        "binary": {"name": "it", "kind": "probability", "class": "yes"},
        "multiclass": {"name": "it", "kind": "probability", "class": prediction},
        "regression": {"name": "it", "kind": "value"},
    }
    assert found["output"] == expected[bundle.schema.target.task]


def test_every_feature_is_there_once_with_its_logged_value_largest_first(
    bundle: Bundle, version: Version
) -> None:
    features = explain(version, ROW, predicted(bundle, ROW), "an id")["features"]

    assert {each["name"]: each["value"] for each in features} == ROW
    sizes = [abs(each["contribution"]) for each in features]
    assert sizes == sorted(sizes, reverse=True)


def test_what_moves_the_target_moves_the_explanation(bundle: Bundle, version: Version) -> None:
    features = explain(version, ROW, predicted(bundle, ROW), "an id")["features"]

    assert {each["name"] for each in features[:3]} == {"index", "class", "probability"}


def test_base_value_is_the_same_for_every_row_of_a_version(
    bundle: Bundle, version: Version
) -> None:
    prediction = predicted(bundle, ROW)  # each class has its own
    full, empty = (explain(version, row, prediction, "an id") for row in (ROW, MISSING))

    assert full["base_value"] == pytest.approx(empty["base_value"], abs=1e-9)


def test_bundle_without_onnx_is_explained_from_skops(tmp_path: Path) -> None:
    with_onnx = prepare_version(make_task_bundle(tmp_path / "a", "binary"))
    without = prepare_version(make_task_bundle(tmp_path / "b", "binary", onnx=False))
    expected, found = (explain(v, ROW, "yes", "an id") for v in (with_onnx, without))

    assert found["value"] == pytest.approx(expected["value"], abs=1e-5)


@pytest.mark.parametrize(("extra", "method"), [(1, "shap exact"), (9, "shap permutation")])
def test_many_features_are_permuted_the_same_way_each_time(
    tmp_path: Path, extra: int, method: str
) -> None:
    bundle = make_task_bundle(tmp_path, "binary", extra=extra)
    first, second = (explain(prepare_version(bundle), ROW, "yes", "an id") for _ in range(2))

    assert first == second
    assert first["method"] == method
    total = first["base_value"] + sum(each["contribution"] for each in first["features"])
    assert total == pytest.approx(first["value"], abs=1e-4)


@pytest.mark.slow
def test_hundreds_of_features_are_explained(tmp_path: Path) -> None:
    bundle = make_task_bundle(tmp_path, "regression", extra=300)
    found = explain(prepare_version(bundle), ROW, 1.0, "an id")

    total = found["base_value"] + sum(each["contribution"] for each in found["features"])
    assert total == pytest.approx(found["value"], abs=1e-4)


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_value_that_every_background_row_has_contributes_nothing(
    tmp_path: Path, task: Task
) -> None:
    bundle = make_task_bundle(tmp_path, task)
    version = prepare_version(bundle)
    place = bundle.schema.numeric.index("index")
    version.numeric[:, place] = 9
    features = explain(version, ROW, bundle.schema.target.classes[-1], "an id")["features"]

    assert next(e["contribution"] for e in features if e["name"] == "index") == 0
