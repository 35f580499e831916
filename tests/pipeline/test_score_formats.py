"""A table is scored whatever its format, and its cells are read as in training."""

from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pytest

from contracts.bundle import load_bundle
from tests.pipeline.scoring import ROWS, Run, bundles, expected, run, table

__all__ = ["bundles", "run", "table"]


@pytest.mark.parametrize(
    ("form", "chunk"),
    [
        ("parquet", "7"),
        ("parquet", "400"),
        ("parquet", "50000"),
        ("csv", "7"),
        ("csv", "50000"),
        ("directory", "300"),
        ("semicolons", "400"),
        ("gz", "400"),
        ("utf-16", "400"),
    ],
)
def test_every_format_has_the_answers_of_one_call(
    form: str, chunk: str, table: pd.DataFrame, tmp_path: Path, run: Run, bundles: dict[str, Path]
) -> None:
    table = table.head(100) if chunk == "7" else table
    source = tmp_path / "table.csv"
    if form == "parquet":
        source = tmp_path / "table.parquet"
        table.to_parquet(source, row_group_size=300)
    elif form == "directory":
        source = tmp_path / "tables"
        source.mkdir()
        for i, start in enumerate(range(0, len(table), 350)):
            table[start : start + 350].to_parquet(source / f"{i}.parquet", row_group_size=100)
    elif form == "gz":
        source = tmp_path / "table.csv.gz"
        table.to_csv(source, index=False)
    else:
        encoding = "utf-16" if form == "utf-16" else "utf-8-sig"
        separator = ";" if form == "semicolons" else ","
        table.to_csv(source, index=False, sep=separator, encoding=encoding)

    said = run(source, tmp_path / "answers.parquet", "--rows-per-chunk", chunk)

    answers = pd.read_parquet(tmp_path / "answers.parquet")
    probability = expected(table, bundles["binary"])[:, 1]
    version = load_bundle(bundles["binary"]).version
    assert said == f"{len(table):,} rows, by {version}, in {tmp_path / 'answers.parquet'}\n"
    assert list(answers) == ["row", "prediction", "probability", "model_version"]
    assert answers["row"].tolist() == list(range(len(table)))
    np.testing.assert_array_equal(answers["probability"], probability)
    np.testing.assert_array_equal(answers["prediction"], (probability >= 0.4).astype(int))
    assert set(answers["model_version"]) == {version}
    assert {path.name for path in tmp_path.iterdir()} == {source.name, "answers.parquet"}


def test_texts_are_read_as_in_training(table: pd.DataFrame, tmp_path: Path, run: Run) -> None:
    table.to_csv(tmp_path / "plain.csv", index=False)
    texts = table.astype(object)
    prices = table["unit price"]
    texts["unit price"] = [f" {p:+.2f} " if p == p else "n/a" for p in prices]
    texts["is.open"] = ["OPEN" if value else "shut" for value in table["is.open"]]
    texts["opened"] = [f"{value:%Y-%m-%dT%H:%M:%S}+00:00" for value in table["opened"]]
    texts["index"] = [f"{value}.0" for value in table["index"]]
    texts.to_csv(tmp_path / "odd.csv", index=False)

    for name in ("plain", "odd"):
        run(tmp_path / f"{name}.csv", tmp_path / f"{name}-answers.csv")

    odd, plain = (tmp_path / f"{name}-answers.csv" for name in ("odd", "plain"))
    assert odd.read_bytes() == plain.read_bytes()


def test_a_dictionary_may_hold_values_that_no_row_has(
    table: pd.DataFrame, tmp_path: Path, run: Run
) -> None:
    table.to_parquet(tmp_path / "plain.parquet")
    prices = table["unit price"].astype(object).where(table["unit price"].notna(), None)
    categories = ["cheap", *sorted(set(prices.dropna()), key=str)]
    coded = pd.Categorical([None if p is None else str(p) for p in prices], map(str, categories))
    table.assign(**{"unit price": coded}).to_parquet(tmp_path / "coded.parquet")

    for name in ("plain", "coded"):
        run(tmp_path / f"{name}.parquet", tmp_path / f"{name}.csv")

    coded_csv, plain_csv = (tmp_path / f"{name}.csv" for name in ("coded", "plain"))
    assert coded_csv.read_bytes() == plain_csv.read_bytes()


def test_a_cell_may_hold_separators_lines_and_other_letters(
    table: pd.DataFrame, tmp_path: Path, run: Run
) -> None:
    table["order no"] = ['bleu, "pâle"\r\n;\tligne'] * ROWS
    table.to_csv(tmp_path / "table.csv", index=False, encoding="cp1252")

    run(tmp_path / "table.csv", tmp_path / "a.parquet", "--id", "order no")

    assert set(pd.read_parquet(tmp_path / "a.parquet")["order no"]) == set(table["order no"])


def test_an_address_is_read_through_fsspec(table: pd.DataFrame, tmp_path: Path, run: Run) -> None:
    system = fsspec.filesystem("memory")
    system.pipe("/score/0.csv", table[:400].to_csv(index=False).encode())
    system.pipe("/score/1.csv", table[400:].to_csv(index=False).encode())
    table.to_csv(tmp_path / "table.csv", index=False)

    run("memory://score/", tmp_path / "remote.csv")
    run(tmp_path / "table.csv", tmp_path / "local.csv")

    remote, local = (tmp_path / f"{name}.csv" for name in ("remote", "local"))
    assert remote.read_bytes() == local.read_bytes()


def test_a_column_without_values_is_missing(table: pd.DataFrame, tmp_path: Path, run: Run) -> None:
    nothing = table.assign(**{"unit price": None, "colour": None})
    nothing.to_parquet(tmp_path / "typed.parquet")
    nothing.to_csv(tmp_path / "texts.csv", index=False)

    for name in ("typed.parquet", "texts.csv"):
        run(tmp_path / name, tmp_path / f"{name}.answers.csv")

    typed, texts = (tmp_path / f"{n}.answers.csv" for n in ("typed.parquet", "texts.csv"))
    assert typed.read_bytes() == texts.read_bytes()
