"""A snapshot holds the last logged rows and nothing that lets anybody in."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, insert

from contracts.database import write_transaction
from contracts.registry import promote, register
from contracts.settings import Settings
from contracts.tables import outcomes, predictions
from deploy.replaying.rows import SnapshotError, read_snapshot, write_snapshot
from deploy.snapshot import ledger_records, table_records
from tests.bundles import EXAMPLE, make_rows, make_schema
from tests.conftest import MadeBundle, make_key
from tests.service.servers import environment

START = datetime(2026, 1, 1, tzinfo=UTC)


def log_rows(engine: Engine, rows: int, version: str) -> None:
    """Rows 0 to `rows`, and outcomes of the even ones, first wrong and then corrected."""
    with write_transaction(engine) as connection:
        for n in range(rows):
            name, time = f"01900000-0000-7000-8000-{n:012d}", START + timedelta(minutes=n)
            features = json.dumps({**EXAMPLE, "hour": n % 24})
            logged = {"prediction_id": name, "predicted_at": time, "event_time": time,
                      "model_version": version, "features": features, "prediction": "1",
                      "probability": 0.75}  # fmt: skip
            connection.execute(insert(predictions), [logged])
            seen = {"prediction_id": name, "observed_at": time, "recorded_at": time}
            for outcome in ("0", "1") if n % 2 == 0 else ():
                connection.execute(insert(outcomes), [{**seen, "outcome": outcome}])


def run(settings: Settings, *arguments: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "deploy.snapshot", *map(str, arguments)],
        env=environment(settings), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_newest_rows_of_the_ledger_keep_their_order_ids_and_outcomes(
    engine: Engine, settings: Settings, bundle_a: MadeBundle, tmp_path: Path
) -> None:
    register(engine, settings.bundles_dir, bundle_a.directory, START, {})
    log_rows(engine, 10, bundle_a.version)
    done = run(settings, "--rows", 4, "--out", tmp_path / "rows.parquet")

    assert done.returncode == 0, done.stderr
    snapshot = read_snapshot(tmp_path / "rows.parquet")
    assert [row.features["hour"] for row in snapshot.rows] == [6, 7, 8, 9]
    assert [row.prediction_id for row in snapshot.rows][0] == "01900000-0000-7000-8000-000000000006"
    assert [(row.has_outcome, row.outcome) for row in snapshot.rows] == [
        (True, 1),
        (False, None),
    ] * 2
    assert (snapshot.first, snapshot.last) == (
        START + timedelta(minutes=6),
        START + timedelta(minutes=9),
    )
    assert pq.read_table(tmp_path / "rows.parquet")["threshold"].to_pylist() == [0.5] * 4
    assert snapshot.sha256 in done.stdout


def test_the_same_rows_give_the_same_bytes(
    engine: Engine, settings: Settings, bundle_a: MadeBundle, tmp_path: Path
) -> None:
    log_rows(engine, 10, bundle_a.version)
    digests = []
    for name in ("a", "b"):
        with engine.connect() as connection:
            records = ledger_records(connection, 5, settings.bundles_dir)
        digests.append(write_snapshot(tmp_path / name, records))

    assert digests[0] == digests[1]
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_no_key_nor_its_digest_is_in_a_snapshot(
    engine: Engine, settings: Settings, bundle_a: MadeBundle, tmp_path: Path
) -> None:
    key = make_key(engine, "predict")
    version = register(engine, settings.bundles_dir, bundle_a.directory, START, {})
    with write_transaction(engine) as connection:
        promote(connection, version, actor="somebody", reason="first", now=START)
    log_rows(engine, 3, version)
    with engine.connect() as connection:
        records = ledger_records(connection, 5, settings.bundles_dir)

    write_snapshot(tmp_path / "rows.parquet", records)
    held = str(pq.read_table(tmp_path / "rows.parquet").to_pylist())
    assert key not in held
    assert "somebody" not in held
    assert set(records[0]) == {*predictions.c.keys(), "outcome", "threshold"} - {"predicted_at"}


def test_an_empty_ledger_says_where_else_rows_are(settings: Settings, engine: Engine) -> None:
    done = run(settings, "--rows", 5)

    assert done.returncode == 1
    assert "--from build/holdout.parquet" in done.stderr


def test_a_table_stands_in_for_a_ledger(settings: Settings, tmp_path: Path) -> None:
    frame = make_rows(1, 30).assign(event_time=pd.date_range("2026-01-01", periods=30, tz="UTC"))
    frame.sample(frac=1, random_state=0).to_parquet(tmp_path / "table.parquet")
    (tmp_path / "schema.json").write_text(make_schema().to_json())
    done = run(settings, "--from", tmp_path / "table.parquet", "--schema", tmp_path / "schema.json",
               "--rows", 6, "--out", tmp_path / "rows.parquet")  # fmt: skip

    assert done.returncode == 0, done.stderr
    snapshot = read_snapshot(tmp_path / "rows.parquet")
    assert [row.outcome for row in snapshot.rows] == frame["late"].tail(6).tolist()
    assert isinstance(snapshot.rows[0].features["hour"], int)
    assert snapshot.rows[0].prediction_id is None
    for row, wind in zip(snapshot.rows, frame["wind"].tail(6), strict=True):
        assert row.features["wind"] == (None if pd.isna(wind) else wind)


def test_a_table_without_a_feature_is_refused() -> None:
    with pytest.raises(SnapshotError, match="carrier"):
        table_records(make_rows(1).drop(columns="carrier"), make_schema(), 5)


def test_another_parquet_file_is_no_snapshot(tmp_path: Path) -> None:
    make_rows(1).to_parquet(tmp_path / "other.parquet")

    with pytest.raises(SnapshotError, match="other columns"):
        read_snapshot(tmp_path / "other.parquet")
