"""Every format answers 1,000 rows like the bundle; docs/formats.md shows how to load it."""

import gzip
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.preprocessing import QuantileTransformer

from contracts.bundle import Bundle, load_bundle
from contracts.model_frame import frame_of
from contracts.onnx_model import OnnxModel
from contracts.params import Task
from contracts.skops_model import SkopsModel, answer
from pipeline.export import export
from pipeline.formats import FormatError
from pipeline.formats.core import round_down
from tests.pipeline.format_bundles import TASKS, make_format_bundle, make_rows

ROOT = Path(__file__).parent.parent.parent


def make_bundle(directory: Path, task: Task, model: str, moments: bool = True) -> Bundle:
    make_format_bundle(directory, task, model, moments)
    return load_bundle(directory)


def run_export(*arguments: object, python: Path = Path(sys.executable), **environment: str) -> Any:
    return subprocess.run(
        [python, "-m", "pipeline.export", *map(str, arguments)],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("task", TASKS)
def test_plain_formats_answer_like_the_bundle(task: Task, tmp_path: Path) -> None:
    model = "linear" if task == "multiclass" else "boosting"
    bundle = make_bundle(tmp_path / "bundle", task, model, moments=False)
    matrices = bundle.schema.to_matrices(make_rows(2, 1000, task))
    paths = {
        name: export(bundle, name, tmp_path / f"model.{name}")[0]
        for name in ("onnx", "skops", "joblib", "pickle")
    }
    frame = frame_of(*matrices, bundle.schema)

    onnx = OnnxModel(paths["onnx"].read_bytes(), bundle.schema).answers(*matrices)
    np.testing.assert_array_equal(onnx, bundle.model().answers(*matrices))
    expected = bundle.skops_model().answers(*matrices)
    skops = SkopsModel(paths["skops"].read_bytes(), bundle.schema).answers(*matrices)
    np.testing.assert_array_equal(skops, expected)
    for fitted in (joblib.load(paths["joblib"]), pickle.loads(paths["pickle"].read_bytes())):
        np.testing.assert_array_equal(answer(fitted, frame, bundle.schema), expected)


@pytest.mark.parametrize("name", ["joblib", "pickle"])
def test_pickled_formats_warn_and_list_what_the_receiver_needs(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = make_bundle(tmp_path / "bundle", "regression", "linear")
    export(bundle, name, tmp_path / "model")
    warning = capsys.readouterr().err

    assert "runs code" in warning
    assert "contracts/" in warning
    assert "scikit-learn 1." in warning


def test_a_registered_version_is_found_by_its_name(tmp_path: Path) -> None:
    make_format_bundle(tmp_path / "made", "regression", "linear")
    version = load_bundle(tmp_path / "made").version
    (tmp_path / "made").rename(tmp_path / version)
    run = run_export(
        "--version", version, "--format", "skops", "--output", tmp_path / "out" / "model.skops",
        PERENNIAL_BUNDLES_DIR=str(tmp_path),
    )  # fmt: skip

    assert run.returncode == 0, run.stderr
    assert json.loads((tmp_path / "out" / "model.skops.json").read_text())["version"] == version


def test_compressed_files_hold_the_same_bytes(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", "binary", "linear", moments=False)
    export(bundle, "onnx", tmp_path / "model.onnx", compress=True)

    assert gzip.decompress((tmp_path / "model.onnx.gz").read_bytes()) == bundle.files["model.onnx"]
    assert not (tmp_path / "model.onnx").exists()


def test_the_sidecar_names_inputs_and_outputs_in_order(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", "multiclass", "linear")
    export(bundle, "pickle", tmp_path / "model.pickle")
    sidecar = json.loads((tmp_path / "model.pickle.json").read_text())

    assert sidecar["numeric"] == bundle.schema.matrix_columns
    assert sidecar["categorical"] == ["carrier", "origin: from"]
    assert sidecar["outputs"] == ["früh", "on time", "late"]


def test_a_model_without_onnx_is_refused_as_onnx(tmp_path: Path) -> None:
    make_bundle(tmp_path / "bundle", "binary", "linear")
    out = tmp_path / "model.onnx"
    run = run_export("--bundle", tmp_path / "bundle", "--format", "onnx", "--output", out)

    assert run.returncode == 1
    assert run.stderr.startswith("export refused: this model has no exact ONNX form")
    assert "Traceback" not in run.stderr
    assert not out.exists()


def test_a_missing_bundle_is_refused_in_one_line(tmp_path: Path) -> None:
    run = run_export("--version", "nothing", "--format", "skops", "--output", tmp_path / "model")

    assert run.returncode == 1
    assert "no bundle at" in run.stderr
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "file"),
    [("tflite", "model.tflite"), ("hdf5", "m.weights.h5"), ("coreml", "m.mlpackage")],
)
def test_a_format_without_its_libraries_names_the_remedy(
    name: str, file: str, tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path / "bundle", "binary", "linear")

    with pytest.raises(FormatError, match=f"{name} needs .*: make setup-formats"):
        export(bundle, name, tmp_path / file)


def test_hdf5_asks_for_the_name_that_keras_reads(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", "binary", "linear")

    with pytest.raises(FormatError, match=r"must end with \.weights\.h5"):
        export(bundle, "hdf5", tmp_path / "model.h5")


def test_a_step_without_a_translation_is_named(tmp_path: Path) -> None:
    step = QuantileTransformer(n_quantiles=10)
    make_format_bundle(tmp_path / "bundle", "regression", "forest", columns__numeric=step)

    with pytest.raises(FormatError, match="'numeric': QuantileTransformer has no form"):
        export(load_bundle(tmp_path / "bundle"), "pmml", tmp_path / "model.pmml")


def test_the_same_model_gives_the_same_pmml(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", "multiclass", "boosting")
    first, second = (export(bundle, "pmml", tmp_path / name)[0] for name in ("a.pmml", "b.pmml"))

    assert first.read_bytes() == second.read_bytes()


def test_rounded_thresholds_decide_alike_for_every_float32() -> None:
    thresholds = np.random.default_rng(0).normal(0, 1e3, 10_000)
    nearest = thresholds.astype(np.float32)
    for x in (nearest, np.nextafter(nearest, np.float32(9e9)), np.nextafter(nearest, -nearest)):
        np.testing.assert_array_equal(x <= round_down(thresholds), x.astype(float) <= thresholds)
