"""Every row of a table has one row of answers, in the form of its task."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.pipeline.scoring import ROWS, Run, bundles, expected, run, table

__all__ = ["bundles", "run", "table"]


def test_multiclass_has_a_probability_of_each_class(
    table: pd.DataFrame, tmp_path: Path, run: Run, bundles: dict[str, Path]
) -> None:
    table.to_parquet(tmp_path / "table.parquet")

    run(tmp_path / "table.parquet", tmp_path / "a.csv", "--id", "order no", bundle="multiclass")

    answers = pd.read_csv(tmp_path / "a.csv", float_precision="round_trip")
    names = ["probability_low", "probability_middle", "probability_high"]
    assert list(answers) == ["order no", "prediction", *names, "model_version"]
    assert answers["order no"].tolist() == table["order no"].tolist()
    wanted = expected(table, bundles["multiclass"])
    np.testing.assert_array_equal(answers[names], wanted)
    classes = np.array(["low", "middle", "high"])
    np.testing.assert_array_equal(answers["prediction"], classes[wanted.argmax(axis=1)])


def test_regression_has_bounds(
    table: pd.DataFrame, tmp_path: Path, run: Run, bundles: dict[str, Path]
) -> None:
    table.to_parquet(tmp_path / "table.parquet")

    run(tmp_path / "table.parquet", tmp_path / "a.parquet", bundle="regression")

    answers = pd.read_parquet(tmp_path / "a.parquet")
    assert list(answers) == ["row", "prediction", "low", "high", "model_version"]
    np.testing.assert_array_equal(
        answers["prediction"], expected(table, bundles["regression"])[:, 0]
    )
    np.testing.assert_allclose(answers["high"] - answers["low"], 5.0)


def test_a_bundle_without_onnx_is_answered_by_scikit_learn(
    table: pd.DataFrame, tmp_path: Path, run: Run, bundles: dict[str, Path]
) -> None:
    table.to_parquet(tmp_path / "table.parquet")

    run(tmp_path / "table.parquet", tmp_path / "a.parquet", bundle="skops")

    answers = pd.read_parquet(tmp_path / "a.parquet")
    wanted = expected(table, bundles["binary"])[:, 1]
    np.testing.assert_allclose(answers["probability"], wanted, atol=1e-5)


@pytest.mark.slow
def test_processes_answer_the_same(table: pd.DataFrame, tmp_path: Path, run: Run) -> None:
    table.to_csv(tmp_path / "table.csv", index=False)
    run(tmp_path / "table.csv", tmp_path / "one.csv", "--rows-per-chunk", "100")

    run(tmp_path / "table.csv", tmp_path / "two.csv", "--rows-per-chunk", "100", "--processes", "2")

    assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


def test_a_directory_keeps_its_parts(table: pd.DataFrame, tmp_path: Path, run: Run) -> None:
    table.to_parquet(tmp_path / "table.parquet")
    run(tmp_path / "table.parquet", tmp_path / "one.parquet", "--rows-per-chunk", "300")

    for _ in range(2):  # the second run finds nothing to do
        run(tmp_path / "table.parquet", f"{tmp_path}/parts/", "--rows-per-chunk", "300")

    assert len(list((tmp_path / "parts").glob("part-*.parquet"))) == 4
    parts = pd.read_parquet(tmp_path / "parts")
    assert parts.pop("problem").isna().all()
    pd.testing.assert_frame_equal(parts, pd.read_parquet(tmp_path / "one.parquet"))


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_without_rows_has_no_answers(
    suffix: str, table: pd.DataFrame, tmp_path: Path, run: Run
) -> None:
    source = tmp_path / f"table.{suffix}"
    (table.head(0).to_csv if suffix == "csv" else table.head(0).to_parquet)(source, index=False)

    run(source, tmp_path / "a.csv")

    assert list(pd.read_csv(tmp_path / "a.csv")) == ["row", "prediction", "probability",
                                                     "model_version"]  # fmt: skip


def test_a_directory_of_other_files_is_left_alone(
    table: pd.DataFrame, tmp_path: Path, run: Run
) -> None:
    table.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")

    with pytest.raises(SystemExit, match="holds other files"):
        run(tmp_path / "table.csv", tmp_path / "mine", "--restart")

    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_an_output_that_is_there_is_kept(table: pd.DataFrame, tmp_path: Path, run: Run) -> None:
    table.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "a.csv").write_text("mine\n")

    with pytest.raises(SystemExit, match="is there already; --restart replaces it"):
        run(tmp_path / "table.csv", tmp_path / "a.csv")
    run(tmp_path / "table.csv", tmp_path / "a.csv", "--restart")

    assert len(pd.read_csv(tmp_path / "a.csv")) == ROWS


def test_what_a_run_killed_while_it_cleared_up_has_left_goes(
    table: pd.DataFrame, tmp_path: Path, run: Run
) -> None:
    table.to_csv(tmp_path / "table.csv", index=False)
    run(tmp_path / "table.csv", tmp_path / "a.csv")
    (tmp_path / "a.csv.parts.done").mkdir()
    (tmp_path / "a.csv.parts.done" / "part-0.parquet").write_bytes(b"")

    with pytest.raises(SystemExit, match="is there already"):
        run(tmp_path / "table.csv", tmp_path / "a.csv")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "table.csv"]
