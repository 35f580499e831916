"""The source `table`: what adoption brought becomes raw rows, streamed."""

from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.params import Data, ParamsError
from pipeline.frames import DatasetError
from pipeline.tables.history import copy_history

AT = ["01/02/2021", "2021-02-05T10:00:00+02:00", "", None, "06/02/2021"]


def _data(**more: object) -> Data:
    given = {"source": "table", "until": date(2021, 2, 6), "target": "y", "classes": [0, 1]}
    return Data.model_validate({**given, "min_rows": 1, "split": "stratified", **more})


@pytest.fixture
def table(tmp_path: Path) -> Path:
    pq.write_table(pa.table({"y": list("01010"), "at": AT}), tmp_path / "table.parquet")
    return tmp_path


def test_rows_before_until_are_taken_with_typed_timestamps(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = _data(timestamp="at", split="time", day_first=True)

    assert copy_history(table, table / "raw.parquet", data) == 2

    raw = pd.read_parquet(table / "raw.parquet")
    assert raw["at"].tolist() == [
        pd.Timestamp("2021-02-01", tz="UTC"),
        pd.Timestamp("2021-02-05T08:00", tz="UTC"),
    ]
    assert raw["y"].tolist() == ["0", "1"]
    assert capsys.readouterr().err == "2 rows have no at and are left out\n"


def test_without_a_timestamp_every_row_is_taken_as_it_is(table: Path) -> None:
    assert copy_history(table, table / "raw.parquet", _data()) == 5
    assert pq.read_table(table / "raw.parquet")["at"].to_pylist() == AT


def test_until_before_every_row_is_refused(table: Path) -> None:
    data = _data(timestamp="at", split="time", day_first=True, until=date(2020, 1, 1))

    with pytest.raises(ParamsError, match="no row of .* is older than 2020-01-01"):
        copy_history(table, table / "raw.parquet", data)


def test_absent_table_names_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"python -m pipeline\.adopt"):
        copy_history(tmp_path, tmp_path / "raw.parquet", _data())


def test_timestamp_that_is_no_moment_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"y": ["0"], "at": ["soon"]}), tmp_path / "table.parquet")

    with pytest.raises(DatasetError, match="1 of 1 values are no moments"):
        copy_history(tmp_path, tmp_path / "raw.parquet", _data(timestamp="at", split="time"))
