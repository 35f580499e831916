"""What cannot be answered is refused by column and row, or kept without an answer on request."""

from pathlib import Path

import pandas as pd
import pytest

from tests.pipeline.scoring import ROWS, Run, bundles, run, table

__all__ = ["bundles", "run", "table"]


@pytest.fixture
def bad_table(table: pd.DataFrame, tmp_path: Path) -> Path:
    """A CSV file with three rows that cannot be answered, for four reasons."""
    texts = table.astype(object)
    texts.loc[3, "unit price"] = "cheap"
    texts.loc[3, "is.open"] = "ajar"
    texts.loc[450, "index"] = "2.5"
    texts.loc[999, "opened"] = None
    texts.to_csv(tmp_path / "bad.csv", index=False)
    return tmp_path / "bad.csv"


def test_bad_rows_stop_with_column_and_row(bad_table: Path, tmp_path: Path, run: Run) -> None:
    with pytest.raises(SystemExit) as stopped:
        run(bad_table, tmp_path / "a.csv")

    message = str(stopped.value)
    assert message.startswith("bad.csv, row 3: unit price: 'cheap' is not numeric; row 450: index:")
    assert "--on-bad-rows keep" in message
    assert not (tmp_path / "a.csv").exists()


def test_bad_rows_are_kept_on_request(bad_table: Path, tmp_path: Path, run: Run) -> None:
    with pytest.raises(SystemExit):
        run(bad_table, tmp_path / "a.csv", "--rows-per-chunk", "100")

    said = run(bad_table, tmp_path / "a.csv", "--rows-per-chunk", "100", "--on-bad-rows", "keep")

    answers = pd.read_csv(tmp_path / "a.csv", float_precision="round_trip")
    bad = answers[answers["problem"].notna()]
    assert "1,000 rows, 3 of them without an answer" in said
    assert len(answers) == ROWS
    assert bad["prediction"].isna().all()
    assert bad["probability"].isna().all()
    assert answers["prediction"].notna().sum() == ROWS - 3
    assert dict(zip(bad["row"], bad["problem"], strict=True)) == {
        3: "unit price: 'cheap' is not numeric; is.open: 'ajar' is not boolean",
        450: "index: '2.5' is not integer",
        999: "opened: is missing",
    }


def test_values_beyond_every_float_are_no_numbers(
    table: pd.DataFrame, tmp_path: Path, run: Run
) -> None:
    table.loc[:1, "unit price"] = [1e31, 1e300]
    table.to_parquet(tmp_path / "table.parquet")

    run(tmp_path / "table.parquet", tmp_path / "a.parquet", "--on-bad-rows", "keep")

    answers = pd.read_parquet(tmp_path / "a.parquet")
    assert answers["problem"].notna().sum() == 2
    assert answers["problem"][0] == "unit price: 1e+31 is not numeric"


def test_ids_of_two_types_are_refused(table: pd.DataFrame, tmp_path: Path, run: Run) -> None:
    (tmp_path / "tables").mkdir()
    table.to_parquet(tmp_path / "tables" / "0.parquet")
    table.assign(**{"order no": 1}).to_parquet(tmp_path / "tables" / "1.parquet")

    with pytest.raises(SystemExit, match="order no is of the types"):
        run(tmp_path / "tables", tmp_path / "a.csv", "--id", "order no")


def test_a_missing_column_is_named(table: pd.DataFrame, tmp_path: Path, run: Run) -> None:
    table.drop(columns=["colour", "is.open"]).to_csv(tmp_path / "table.csv", index=False)

    with pytest.raises(SystemExit, match=r"lacks the columns \['is.open', 'colour'\]"):
        run(tmp_path / "table.csv", tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b"a,b,a\n1,2,3\n", "several columns called"),
        (b"PAR1 this is not Parquet", "lacks the columns"),
    ],
)
def test_a_file_that_is_no_table_is_refused(
    content: bytes, problem: str, tmp_path: Path, run: Run
) -> None:
    (tmp_path / "table.csv").write_bytes(content)

    with pytest.raises(SystemExit, match=problem):
        run(tmp_path / "table.csv", tmp_path / "a.csv")


def test_a_ragged_row_is_refused(table: pd.DataFrame, tmp_path: Path, run: Run) -> None:
    table.to_csv(tmp_path / "table.csv", index=False)
    with (tmp_path / "table.csv").open("a") as file:
        file.write("one,two\n")

    with pytest.raises(SystemExit, match="Expected 8 columns, got 2"):
        run(tmp_path / "table.csv", tmp_path / "a.csv")


def test_a_missing_input_is_named(tmp_path: Path, run: Run) -> None:
    with pytest.raises(SystemExit, match="nowhere.csv cannot be opened"):
        run(tmp_path / "nowhere.csv", tmp_path / "a.csv")


def test_an_id_may_not_be_called_like_an_answer(
    table: pd.DataFrame, tmp_path: Path, run: Run
) -> None:
    table.rename(columns={"order no": "probability"}).to_csv(tmp_path / "t.csv", index=False)

    with pytest.raises(SystemExit, match="--id: the answers have a column 'probability'"):
        run(tmp_path / "t.csv", tmp_path / "a.csv", "--id", "probability")
