"""A table is scored whatever its format, and every row of it has one row of answers."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select

from contracts.bundle import load_bundle
from contracts.database import make_engine
from contracts.migrate import migrate
from contracts.params import Task
from contracts.tables import predictions
from pipeline import score
from pipeline.columns import parse_column
from pipeline.scoring.ledger import record
from tests.pipeline.score_bundles import make_bundle, make_table

ROWS = 1000
Run = Callable[..., str]


@pytest.fixture(scope="module")
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


def test_ids_of_two_types_are_refused(table: pd.DataFrame, tmp_path: Path, run: Run) -> None:
    (tmp_path / "tables").mkdir()
    table.to_parquet(tmp_path / "tables" / "0.parquet")
    table.assign(**{"order no": 1}).to_parquet(tmp_path / "tables" / "1.parquet")

    with pytest.raises(SystemExit, match="order no is of the types"):
        run(tmp_path / "tables", tmp_path / "a.csv", "--id", "order no")


def test_a_directory_of_other_files_is_left_alone(
    table: pd.DataFrame, tmp_path: Path, run: Run
) -> None:
    table.to_csv(tmp_path / "table.csv", index=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")

    with pytest.raises(SystemExit, match="holds other files"):
        run(tmp_path / "table.csv", tmp_path / "mine", "--restart")

    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_values_beyond_every_float_are_no_numbers(
    table: pd.DataFrame, tmp_path: Path, run: Run
) -> None:
    table.loc[:1, "unit price"] = [1e31, 1e300]
    table.to_parquet(tmp_path / "table.parquet")

    run(tmp_path / "table.parquet", tmp_path / "a.parquet", "--on-bad-rows", "keep")

    answers = pd.read_parquet(tmp_path / "a.parquet")
    assert answers["problem"].notna().sum() == 2
    assert answers["problem"][0] == "unit price: 1e+31 is not numeric"


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_table_without_rows_has_no_answers(
    suffix: str, table: pd.DataFrame, tmp_path: Path, run: Run
) -> None:
    source = tmp_path / f"table.{suffix}"
    (table.head(0).to_csv if suffix == "csv" else table.head(0).to_parquet)(source, index=False)

    run(source, tmp_path / "a.csv")

    assert list(pd.read_csv(tmp_path / "a.csv")) == ["row", "prediction", "probability",
                                                     "model_version"]  # fmt: skip


def test_a_column_without_values_is_missing(table: pd.DataFrame, tmp_path: Path, run: Run) -> None:
    nothing = table.assign(**{"unit price": None, "colour": None})
    nothing.to_parquet(tmp_path / "typed.parquet")
    nothing.to_csv(tmp_path / "texts.csv", index=False)

    for name in ("typed.parquet", "texts.csv"):
        run(tmp_path / name, tmp_path / f"{name}.answers.csv")

    typed, texts = (tmp_path / f"{n}.answers.csv" for n in ("typed.parquet", "texts.csv"))
    assert typed.read_bytes() == texts.read_bytes()


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


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    url = f"sqlite:///{tmp_path}/perennial.db"
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", url)
    engine = make_engine(url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_logged_answers_are_in_the_ledger(
    task: Task, table: pd.DataFrame, tmp_path: Path, run: Run, database: Any
) -> None:
    if task == "regression" and not predictions.c.probability.nullable:
        pytest.skip("the ledger takes no regressions yet")
    table.loc[0, "asked at"] = pd.NaT
    table.to_parquet(tmp_path / "table.parquet")

    run(tmp_path / "table.parquet", tmp_path / "a.parquet", "--log", "--id", "order no",
        "--rows-per-chunk", "300", bundle=task)  # fmt: skip

    answers = pd.read_parquet(tmp_path / "a.parquet")
    with database.connect() as connection:
        found = {row.prediction_id: row._mapping for row in connection.execute(select(predictions))}
    assert len(found) == ROWS == answers["prediction_id"].nunique()
    row = found[answers["prediction_id"][5]]
    assert json.loads(row["prediction"]) == answers["prediction"][5]
    assert row["event_time"] == table["asked at"][5].tz_localize("UTC")
    assert found[answers["prediction_id"][0]]["event_time"] == row["predicted_at"]
    features = json.loads(row["features"])
    assert features == {
        "unit price": table["unit price"][5],
        "index": table["index"][5],
        "is.open": table["is.open"][5],
        "opened": f"{table['opened'][5]:%Y-%m-%dT%H:%M:%S}Z",
        "colour": table["colour"][5],
    }
    if task == "binary":
        assert row["probability"] == answers["probability"][5]


def test_logging_the_same_rows_twice_changes_nothing(
    table: pd.DataFrame, tmp_path: Path, run: Run, database: Any, bundles: dict[str, Path]
) -> None:
    table.to_parquet(tmp_path / "table.parquet")
    run(tmp_path / "table.parquet", f"{tmp_path}/parts/", "--log")
    with database.connect() as connection:
        rows = [dict(row._mapping) for row in connection.execute(select(predictions))]

    record(database, pq.ParquetFile(_as_parquet(rows, tmp_path)).read())

    with database.connect() as connection:
        again = connection.execute(select(func.count()).select_from(predictions)).scalar_one()
    assert again == len(rows) == ROWS


def _as_parquet(rows: list[dict[str, Any]], tmp_path: Path) -> Path:
    pd.DataFrame(rows).to_parquet(tmp_path / "logged.parquet")
    return tmp_path / "logged.parquet"


def test_a_database_of_other_tables_is_refused(
    table: pd.DataFrame, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    table.to_parquet(tmp_path / "table.parquet")
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", f"sqlite:///{tmp_path}/empty.db")

    with pytest.raises(SystemExit, match="--log: the database is at revision None"):
        run(tmp_path / "table.parquet", tmp_path / "a.parquet", "--log")
