"""Each format, loaded as docs/formats.md says by its own runtime, answers like the bundle."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contracts.bundle import load_bundle
from contracts.schema import MAGNITUDE_LIMIT, FeatureSchema
from tests.pipeline.format_bundles import MODELS, TASKS, make_format_bundle, make_rows

ROOT = Path(__file__).parent.parent.parent
FORMATS_PYTHON = ROOT / ".venv-formats" / "bin" / "python"
ROWS = 1000
TOLERANCE = 2e-6  # float32 keeps seven digits
DEADLINE = 1800  # seconds, on a busy machine

needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="JPMML needs Java")


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter that has every runtime."""
    if not FORMATS_PYTHON.exists():
        subprocess.run(["make", "setup-formats"], cwd=ROOT, check=True)
    return FORMATS_PYTHON


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One for each task and model: `bundle`, `rows.json` and the bundle's own answers."""
    root = tmp_path_factory.mktemp("formats")
    for task in TASKS:
        for model in MODELS:
            directory = root / f"{task}-{model}"
            make_format_bundle(directory / "bundle", task, model)
            bundle = load_bundle(directory / "bundle")
            rows = make_hostile(make_rows(2, ROWS, task))
            (directory / "rows.json").write_text(json.dumps(plain_rows(rows, bundle.schema)))
            np.save(directory / "expected.npy", bundle.model().answers_of(rows))
    return sorted(root.iterdir())


def make_hostile(rows: pd.DataFrame) -> pd.DataFrame:
    """Extremes and missing values strewn in, also where training saw none."""
    random = np.random.default_rng(3)
    for name in ("hour", "temp °C", "wind; 'gust'"):
        for value in (MAGNITUDE_LIMIT, -MAGNITUDE_LIMIT, 0.0, np.nan):
            rows.loc[random.random(len(rows)) < 0.05, name] = value
    return rows


def plain_rows(rows: pd.DataFrame, schema: FeatureSchema) -> list[dict[str, object]]:
    """Rows as JSON holds them: None = missing."""
    numeric, texts = schema.to_matrices(rows)
    names = [*schema.matrix_columns, *schema.categorical]
    values = np.hstack([numeric.astype(object), texts])
    return [
        {n: None if v != v or v == "" else v for n, v in zip(names, row, strict=True)}
        for row in values
    ]


def answers_of(python: Path, name: str, file: str, directories: list[Path]) -> dict[str, float]:
    """The largest difference from the bundle's answers, relative above 1, by directory."""
    run = subprocess.run(
        [python, "-m", "tests.pipeline.run_format", name, file, *map(str, directories)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False, timeout=DEADLINE,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-3000:]
    found = {}
    for directory in directories:
        expected, answers = np.load(directory / "expected.npy"), np.load(directory / f"{name}.npy")
        size = np.maximum(1, np.abs(expected))
        found[directory.name] = float(
            (np.abs(answers.reshape(expected.shape) - expected) / size).max()
        )
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "file"),
    [
        pytest.param("pmml", "model.pmml", marks=needs_java),
        ("tflite", "model.tflite"),
        ("hdf5", "model.weights.h5"),
    ],
)
def test_translated_models_answer_like_the_bundle(
    name: str, file: str, python: Path, directories: list[Path]
) -> None:
    differences = answers_of(python, name, file, directories)

    sys.stdout.write(f"{name}: {differences}\n")
    assert max(differences.values()) < TOLERANCE, differences


@pytest.mark.slow
@pytest.mark.parametrize("name", ["skops", "joblib", "pickle"])
def test_documented_loading_of_scikit_learn_models_works(
    name: str, directories: list[Path]
) -> None:
    differences = answers_of(Path(sys.executable), name, f"model.{name}", directories[:1])

    assert max(differences.values()) < TOLERANCE


@pytest.mark.slow
def test_documented_loading_of_onnx_works(tmp_path: Path) -> None:
    make_format_bundle(tmp_path / "bundle", "regression", "boosting", moments=False)
    bundle = load_bundle(tmp_path / "bundle")
    rows = make_rows(2, ROWS, "regression")
    (tmp_path / "rows.json").write_text(json.dumps(plain_rows(rows, bundle.schema)))
    np.save(tmp_path / "expected.npy", bundle.model().answers_of(rows))

    differences = answers_of(Path(sys.executable), "onnx", "model.onnx", [tmp_path])

    assert max(differences.values()) < TOLERANCE


@pytest.mark.slow
def test_coreml_takes_one_row_and_says_that_it_was_not_run(
    python: Path, directories: list[Path], tmp_path: Path
) -> None:
    bundle = next(each for each in directories if each.name == "multiclass-boosting") / "bundle"
    path = tmp_path / "model.mlpackage"
    export = [python, "-m", "pipeline.export", "--bundle", bundle, "--format", "coreml"]
    run = subprocess.run(
        [*export, "--output", path], cwd=ROOT, capture_output=True, text=True, check=False
    )
    described = subprocess.run([python, "-c", DESCRIBE, path], capture_output=True, text=True,
                               check=True)  # fmt: skip

    assert run.returncode == 0, run.stderr[-3000:]
    assert "only macOS runs Core ML" in run.stderr
    assert json.loads(described.stdout.splitlines()[-1]) == {
        "numeric": [1, 6], "codes": [1, 2], "answers": [1, 3], "type": "mlProgram",
    }  # fmt: skip


DESCRIBE = """
import json, sys
import coremltools
spec = coremltools.models.MLModel(sys.argv[1], skip_model_load=True).get_spec()
fields = [*spec.description.input, *spec.description.output]
shapes = {each.name: list(each.type.multiArrayType.shape) for each in fields}
print(json.dumps({**shapes, "type": spec.WhichOneof("Type")}))
"""
