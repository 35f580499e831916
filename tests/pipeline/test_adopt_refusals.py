"""What cannot be learned from is refused in one line that names cause and remedy."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.frames import DatasetError
from tests.pipeline.adoption import ROWS, adopt_frame, columns, spread

DATES = pd.date_range("2021-01-01", periods=ROWS, freq="37h").astype(str)
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("frame", "wish", "message"),
    [
        (columns(), {"target": "Y"}, "--target: no column is called 'Y'; did you mean ['y']"),
        (columns(), {"timestamp": "when"}, "--timestamp: no column is called 'when'"),
        (columns(who=1), {"id": "whoo"}, "did you mean ['who']"),
        (columns(), {"id": "y"}, "must be different columns"),
        (columns().assign(y=None), {}, "the target is missing in every row"),
        (columns().assign(y=1), {}, "the target has only one value"),
        (columns()[:39], {}, "39 labelled rows; at least 40 are needed"),
        (columns().assign(y=[0] * 295 + [1] * 5), {}, "1 classes have 10 rows or more"),
        (columns().assign(y=spread("a", "b")), {"task": "multiclass"}, "multiclass needs 3"),
        (columns().assign(y=spread("a", "b", "c")), {"task": "binary"}, "needs two classes"),
        (columns().assign(y=spread("a", "b")), {"task": "regression"}, "regression needs numbers"),
        (columns().assign(y=spread(1.5, 2.5, "n/a", *range(30))), {}, "it holds ['n/a']"),
        (columns(), {"timestamp": "x"}, "--timestamp: 300 of 300 values of 'x' are no moments"),
        (columns(at=[*DATES[2:], "soon", "never"]), {"timestamp": "at"},
         "2 of 300 values of 'at' are no moments in time: ['soon', 'never']"),
        (columns(at=None), {"timestamp": "at"}, "is missing in every row"),
        (columns(who=spread(1, 2, 3)), {"id": "who"}, "has 3 distinct values"),
        (columns(who=spread(*range(20), None)), {"id": "who"}, "is missing in"),
        (columns()[["y"]].assign(key=range(ROWS)), {}, "no feature is left to learn from: key"),
        (columns()[["y"]].assign(z=1), {}, "no feature is left to learn from: z: constant"),
    ],
)  # fmt: skip
def test_refusals_name_the_cause(
    frame: pd.DataFrame, wish: dict[str, object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError) as refused:
        adopt_frame(frame, tmp_path, wish)

    assert message in str(refused.value)
    assert not list(tmp_path.glob("table/*"))
    assert not list(tmp_path.glob("params.yaml*"))


def test_more_than_a_thousand_classes_are_refused(tmp_path: Path) -> None:
    names = [f"class {i}" for i in np.random.default_rng(0).integers(1500, size=20_000)]
    frame = pd.DataFrame({"x": np.random.default_rng(1).normal(size=20_000), "y": names})

    with pytest.raises(DatasetError, match="at most 1000"):
        adopt_frame(frame, tmp_path)


def _run(directory: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pipeline.adopt", "--data", "t.csv", "--target", "y", *options]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(directory)}
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False
    )


def _project(directory: Path) -> None:
    """A repository with DVC, a committed params.yaml and a table beside it."""
    columns().to_csv(directory / "t.csv", index=False)
    (directory / "params.yaml").write_text("data: {}\n")
    (directory / ".gitignore").write_text("/data/table/*.parquet\n")
    author = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    dvc = str(Path(sys.executable).parent / "dvc")
    for command in (["git", "init", "-q"], [dvc, "init", "-q"], ["git", "add", "-A"],
                    ["git", *author, "commit", "-qm", "first"]):  # fmt: skip
        subprocess.run(command, cwd=directory, check=True, capture_output=True)


@pytest.mark.slow
def test_command_adopts_keeps_edits_and_explains(tmp_path: Path) -> None:
    _project(tmp_path)
    params, backup = tmp_path / "params.yaml", tmp_path / "params.yaml.bak"

    first = _run(tmp_path)
    assert first.returncode == 0, first.stderr
    assert "dvc repro" in first.stdout
    assert (tmp_path / "data/table/table.parquet.dvc").exists()
    assert not backup.exists()  # git has the replaced one

    again = _run(tmp_path)  # its own work is replaced without a word
    assert again.returncode == 0, again.stderr

    edited = params.read_text().replace("folds: 5", "folds: 4")
    params.write_text(edited)
    refused = _run(tmp_path)
    assert refused.returncode == 1
    assert re.fullmatch(r"params.yaml was edited .*--force.*\n", refused.stderr)
    assert params.read_text() == edited

    forced = _run(tmp_path, "--force")
    assert forced.returncode == 0, forced.stderr
    assert backup.read_text() == edited


def test_command_refuses_in_one_line(tmp_path: Path) -> None:
    columns().assign(y=1).to_csv(tmp_path / "t.csv", index=False)

    refused = _run(tmp_path)

    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert refused.stderr.splitlines()[-1].startswith("y: the target has only one value")
