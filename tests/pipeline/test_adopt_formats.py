"""Wherever and however a team keeps its table, the same rows arrive."""

import gzip
import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, date
from decimal import Decimal
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.frames import DatasetError
from pipeline.tables.files import open_table, write_table
from tests.pipeline.adoption import adopt_file, columns, spread

Write = Callable[[pd.DataFrame, Path], str]


def _frame() -> pd.DataFrame:
    gap, flag = spread(1.5, 2.5, None), spread(True, False)
    return columns(word=spread("é", "b,c", 'd"e'), gap=gap, flag=flag)


def _read(address: str, directory: Path, query: str | None = None) -> pa.Table:
    target = directory / "out.parquet"
    write_table(open_table(address, query), target)
    return pq.read_table(target)


def _csv(**options: object) -> Write:
    def write(frame: pd.DataFrame, directory: Path) -> str:
        suffix = options.pop("suffix", "csv")
        path = directory / f"table.{suffix}"
        frame.to_csv(path, **{"index": False, **options})  # type: ignore[call-overload]
        return str(path)

    return write


def _parquet(frame: pd.DataFrame, directory: Path) -> str:
    frame.to_parquet(directory / "table.parquet")
    return str(directory / "table.parquet")


def _json_lines(frame: pd.DataFrame, directory: Path) -> str:
    frame.to_json(directory / "table.jsonl", orient="records", lines=True)
    return str(directory / "table.jsonl")


def _sqlite(frame: pd.DataFrame, directory: Path) -> str:
    with sqlite3.connect(directory / "table.db") as connection:
        frame.to_sql("only", connection, index=False)
    connection.close()
    return f"sqlite:///{directory}/table.db"


def _directory(frame: pd.DataFrame, directory: Path) -> str:
    (directory / "parts" / "deep").mkdir(parents=True)
    frame[:100].to_csv(directory / "parts" / "a.csv", index=False)
    other_order = list(reversed(frame.columns))
    frame[100:][other_order].to_csv(directory / "parts" / "deep" / "b.csv.gz", index=False)
    (directory / "parts" / "README.txt").write_text("not a table")
    (directory / "parts" / "_SUCCESS").write_text("")
    return str(directory / "parts")


def _memory(frame: pd.DataFrame, directory: Path) -> str:
    with fsspec.open(f"memory://{directory.name}/table.csv", "w") as file:
        frame.to_csv(file, index=False)
    return f"memory://{directory.name}"


@pytest.mark.parametrize(
    "write",
    [
        _csv(), _csv(sep=";", decimal=","), _csv(sep="\t", suffix="tsv"), _csv(sep="|"),
        _csv(encoding="latin-1"), _csv(encoding="utf-8-sig"), _csv(encoding="utf-16"),
        _csv(suffix="csv.gz"), _csv(index=True), _csv(lineterminator="\r\n"),
        _parquet, _json_lines, _sqlite, _directory, _memory,
    ],
)  # fmt: skip
def test_every_format_leads_to_the_same_params(write: Write, tmp_path: Path) -> None:
    params, found = adopt_file(write(_frame(), tmp_path), tmp_path)

    kinds = {name: feature.kind for name, feature in params.features.items()}
    flag = "integer" if write is _sqlite else "boolean"  # SQLite has no booleans
    assert kinds == {"x": "numeric", "word": "categorical", "gap": "numeric", "flag": flag}
    assert [name for name, f in params.features.items() if f.nullable] == ["gap"]
    assert params.data.classes == [0, 1]
    assert found.features[1].distinct == 3
    assert found.rows == len(_frame())


def test_texts_of_a_csv_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('a,b\n007,NA\n1e400,"two\nlines"\n, x \n')

    table = _read(str(tmp_path / "t.csv"), tmp_path)

    assert table.to_pydict() == {"a": ["007", "1e400", ""], "b": ["NA", "two\nlines", " x "]}


def test_unnamed_index_of_a_csv_is_left_out_and_said(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",a\n0,x\n1,y\n")

    (part,) = open_table(str(tmp_path / "t.csv"))

    assert part.schema.names == ["a"]
    assert "index" in part.notes[0]


def test_parquet_types_become_the_few_that_features_have(tmp_path: Path) -> None:
    frame = pa.table(
        {
            "amount": [Decimal("1.50"), None],
            "day": [date(2021, 1, 2), None],
            "level": pa.array(["a", "b"]).dictionary_encode(),
            "nested": [{"k": [1]}, None],
            "bytes": [b"\x00\xff", None],
            "small": pa.array([1, 2], pa.int8()),
        }
    )
    pq.write_table(frame, tmp_path / "t.parquet")

    table = _read(str(tmp_path / "t.parquet"), tmp_path)

    assert table["amount"].to_pylist() == [1.5, None]
    assert str(table["day"].to_pylist()[0]) == "2021-01-02 00:00:00"
    assert table["level"].to_pylist() == ["a", "b"]
    assert table["nested"].to_pylist() == ['{"k": [1]}', None]
    assert table["bytes"].to_pylist() == ["00ff", None]
    assert table.schema.field("small").type == pa.int64()


def test_index_that_pandas_wrote_is_left_out(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=[5, 7])
    frame.to_parquet(tmp_path / "t.parquet")

    assert _read(str(tmp_path / "t.parquet"), tmp_path).schema.names == ["a"]


def test_json_lines_may_lack_keys_and_nest(tmp_path: Path) -> None:
    lines = [{"a": 1.50, "b": {"x": [1]}, "c": True}, {"a": "t", "d": None}, {"c": False}]
    (tmp_path / "t.jsonl").write_text("\n\n".join(map(json.dumps, lines)))

    table = _read(str(tmp_path / "t.jsonl"), tmp_path)

    assert table.to_pydict() == {
        "a": ["1.5", "t", None],
        "b": ['{"x": [1]}', None, None],
        "c": [True, None, False],
        "d": [None, None, None],
    }


def test_sql_takes_a_query_or_a_table(tmp_path: Path) -> None:
    url = _sqlite(_frame(), tmp_path)

    assert _read(url, tmp_path, "only").num_rows == 300
    asked = _read(url, tmp_path, "SELECT x AS \"a b\", ':now' AS c FROM only WHERE y = 1 LIMIT 5")
    assert asked.schema.names == ["a b", "c"]
    assert asked["c"].to_pylist() == [":now"] * 5


def test_files_of_one_directory_agree_on_types(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    pq.write_table(pa.table({"a": [1, 2]}), tmp_path / "d" / "1.parquet")
    pq.write_table(pa.table({"a": [1.5, None]}), tmp_path / "d" / "2.parquet")
    pq.write_table(pa.table({"a": pa.nulls(2)}), tmp_path / "d" / "3.parquet")

    table = _read(str(tmp_path / "d"), tmp_path)

    assert table["a"].to_pylist() == [1.0, 2.0, 1.5, None, None, None]


def test_pattern_takes_the_files_that_match(tmp_path: Path) -> None:
    for name in ("a1", "a2", "b1"):
        (tmp_path / f"{name}.csv").write_text("a,b\n1,2\n")

    assert _read(f"{tmp_path}/a*.csv", tmp_path).num_rows == 2


def _gz(text: str) -> bytes:
    return gzip.compress(text.encode(), mtime=0)[:-8]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"", "is empty"),
        ("t.csv", b"a,b\n", "has no row"),
        ("t.csv", b"a,b,a\n1,2,3\n", "names occur twice: ['a']"),
        ("t.csv", b"a,,b\n1,2,3\n", "columns [2] have no name"),
        ("t.csv", b"a,__b\n1,2\n", "kept for the product: ['__b']"),
        ("t.csv", b"a," + b"n" * 201 + b"\n1,2\n", "names beyond 200 characters"),
        ("t.csv", b"a,b\n1,2\n1,2,3\n", "Expected 2 columns, got 3"),
        ("t.csv.gz", _gz("a,b\n1,2\n"), "t.csv.gz cannot be read"),
        ("t.csv.gz", b"a,b\n1,2\n", "t.csv.gz cannot be read"),
        ("t.parquet", b"no parquet", "t.parquet cannot be read"),
        ("t.jsonl", b'{"a": 1}\n[2]\n', "line 2 is no JSON object"),
        ("t.jsonl", b'{"a": 1}\n{"a": NaN}\n', "line 2 is no JSON object"),
        ("t.json", b"", "has no column"),
        ("t.xlsx", b"x", "is none of"),
    ],
)
def test_unusable_files_are_refused_with_the_cause(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(DatasetError) as refused:
        _read(str(tmp_path / name), tmp_path)

    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("address", "query", "message"),
    [
        ("nowhere.csv", None, "does not exist"),
        ("nowhere/*.csv", None, "does not exist"),
        ("nothing://bucket/table.csv", None, "cannot be reached"),
        ("sqlite:///nowhere.db", None, "nowhere.db does not exist"),
        ("postgresql://me:secret@localhost:1/x", None, "postgresql://me:***@localhost:1/x"),
        ("table.csv", "select 1", "--query needs a database's URL"),
    ],
)
def test_addresses_that_lead_nowhere_are_refused(
    address: str, query: str | None, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError) as refused:
        _read(address, tmp_path, query)

    assert message in str(refused.value)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("query", "message"),
    [(None, "the database has ['one', 'two']"), ("three", "three"), ("select nope", "nope")],
)
def test_queries_that_fail_are_refused(query: str | None, message: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "t.db") as connection:
        connection.executescript("create table one (a int); create table two (a int);")
    connection.close()

    with pytest.raises(DatasetError) as refused:
        _read(f"sqlite:///{tmp_path}/t.db", tmp_path, query)

    assert message in str(refused.value)


def test_directory_of_different_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("a,c\n1,2\n")

    with pytest.raises(DatasetError) as refused:
        open_table(str(tmp_path))

    assert "2.csv and 1.csv have different columns: ['b', 'c']" in str(refused.value)


def test_partitioned_directory_is_refused_because_names_hold_values(tmp_path: Path) -> None:
    (tmp_path / "year=2021").mkdir()
    (tmp_path / "year=2021" / "1.csv").write_text("a,b\n1,2\n")

    with pytest.raises(DatasetError) as refused:
        open_table(str(tmp_path))

    assert "partitioned" in str(refused.value)


def test_moments_of_a_database_arrive(tmp_path: Path) -> None:
    frame = columns(at=pd.date_range("2021-01-01", periods=300, freq="9h", tz=UTC))

    params, _ = adopt_file(_parquet(frame, tmp_path), tmp_path)

    assert params.features["at"].kind == "datetime"
    assert np.isfinite(params.evaluate.holdout_days)


def test_target_of_real_booleans_has_the_classes_zero_and_one(tmp_path: Path) -> None:
    frame = columns()
    frame = frame.assign(y=frame["y"] == 1)

    for write in (_parquet, _json_lines):
        params, _ = adopt_file(write(frame, tmp_path), tmp_path)

        assert params.data.classes == [0, 1]
