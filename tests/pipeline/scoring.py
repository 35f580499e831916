"""The scoring command on a small table, with a bundle of each task."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from contracts.bundle import load_bundle
from pipeline import score
from pipeline.columns import parse_column
from tests.pipeline.score_bundles import make_bundle, make_table

ROWS = 1000
Run = Callable[..., str]


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A bundle of each task, and the binary one without ONNX."""
    place = tmp_path_factory.mktemp("bundles")
    for task in ("binary", "multiclass", "regression"):
        make_bundle(place / task, task)
    make_bundle(place / "skops", "binary", onnx=False)
    return {path.name: path for path in place.iterdir()}


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], bundles: dict[str, Path]
) -> Run:
    """The command, in this process; returns what it says."""

    def run(source: Path | str, output: Path | str, *more: str, bundle: str = "binary") -> str:
        command = ["score", "--input", str(source), "--output", str(output), "--processes", "1",
                   "--bundle", str(bundles[bundle]), *more]  # fmt: skip
        monkeypatch.setattr(sys, "argv", command)
        score.main()
        return capsys.readouterr().out

    return run


@pytest.fixture
def table() -> pd.DataFrame:
    return make_table(ROWS, seed=1)


def expected(table: pd.DataFrame, bundle: Path) -> np.ndarray:
    """Answers of the model to the whole table in one go, (n, outputs)."""
    loaded = load_bundle(bundle)
    features = loaded.schema.features
    typed = {f.name: parse_column(table[f.name], f.name, f) for f in features}
    return loaded.model().answers_of(typed).astype(np.float64)
