"""Scores are logged like predictions, once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, func, select

from contracts.params import Task
from contracts.tables import predictions
from pipeline.scoring.ledger import record
from tests.migrated import migrated_engine
from tests.pipeline.scoring import ROWS, Run, bundles, run, table

__all__ = ["bundles", "run", "table"]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path}/perennial.db"
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", url)
    engine = migrated_engine(url)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_logged_answers_are_in_the_ledger(
    task: Task, table: pd.DataFrame, tmp_path: Path, run: Run, database: Engine
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
    table: pd.DataFrame, tmp_path: Path, run: Run, database: Engine, bundles: dict[str, Path]
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
