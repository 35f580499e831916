"""Freeze the last logged rows, for `make replay-gate`: `python -m deploy.snapshot`.

Reads the ledger: features, answers, outcomes. No key, caller or address is in a snapshot, but what
people are like may be: it is as private as the rows. Where nothing was logged yet (a fresh
repository, CI), `--from build/holdout.parquet` takes the newest rows of a table instead.
"""

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from contracts.bundle import load_bundle
from contracts.bundle_files import BundleError
from contracts.database import DatabaseUrlError, make_engine
from contracts.migrate import DatabaseOutOfDateError, require_current
from contracts.params import ParamsError
from contracts.replay_params import load_replay
from contracts.schema import Feature, FeatureSchema, SchemaError
from contracts.settings import Settings
from contracts.tables import predictions
from deploy.replaying.rows import SnapshotError, write_snapshot
from monitoring.sampling import newest_outcome

OUT = Path("build/replay.parquet")
SCHEMA = Path("build/bundle/schema.json")
Record = dict[str, Any]


def ledger_records(connection: Connection, rows: int, bundles: Path) -> list[Record]:
    """The newest `rows` predictions, in the order of their answers.

    Args:
        bundles: where versions are, which know their thresholds.
    """
    columns = [column for column in predictions.c if column.name != "predicted_at"]
    query = select(*columns, newest_outcome().label("outcome"))
    found = connection.execute(query.order_by(predictions.c.prediction_id.desc()).limit(rows))
    records = [dict(row) for row in found.mappings()][::-1]
    thresholds = {
        version: _threshold(bundles / version)
        for version in {record["model_version"] for record in records}
    }
    return [{**record, "threshold": thresholds[record["model_version"]]} for record in records]


def _threshold(directory: Path) -> float | None:
    """None where a version has none, or its files were removed."""
    try:
        target = load_bundle(directory).schema.target
    except BundleError:
        return None
    return target.threshold if target.task == "binary" else None


def table_records(frame: pd.DataFrame, schema: FeatureSchema, rows: int) -> list[Record]:
    """The newest `rows` rows of a table that was prepared, as if they had been asked.

    Raises:
        SnapshotError: a feature is absent.
    """
    absent = [name for name in schema.names if name not in frame]
    if absent:
        raise SnapshotError(f"the table lacks {absent}; --schema names another model's columns")
    if schema.timestamp in frame:
        frame = frame.sort_values(schema.timestamp, kind="stable")
    return [_table_record(record, schema) for record in frame.tail(rows).to_dict("records")]


def _table_record(record: dict[Any, Any], schema: FeatureSchema) -> Record:
    features = {each.name: _value(each, record[each.name]) for each in schema.features}
    outcome, time = record.get(schema.target.name), record.get(schema.timestamp)
    is_known = outcome is not None and not pd.isna(outcome)
    return {
        "event_time": time,
        "features": json.dumps(features),
        "outcome": json.dumps(getattr(outcome, "item", lambda: outcome)()) if is_known else None,
    }


def _value(feature: Feature, value: Any) -> Any:
    """A cell as a request says it."""
    if value is None or value == "" or value is pd.NaT or value is pd.NA:
        return None
    if feature.kind == "categorical":
        return str(value)
    if feature.kind == "datetime":
        return pd.Timestamp(value).isoformat()
    if math.isnan(value):
        return None
    if feature.kind == "boolean":
        return bool(value)
    return int(value) if feature.kind == "integer" else float(value)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.snapshot", description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="written; %(default)s")
    parser.add_argument("--rows", type=int, help="the newest so many; replay.rows of params.yaml")
    parser.add_argument("--from", dest="table", type=Path, metavar="PARQUET", help="not the ledger")
    parser.add_argument(
        "--schema", type=Path, default=SCHEMA, help="columns of that table; %(default)s"
    )
    given = parser.parse_args()
    settings = Settings()
    try:
        rows = given.rows or load_replay(settings.params_file).rows
        records = _read(given.table, given.schema, rows, settings)
        sha256 = write_snapshot(given.out, records)
    except (DatabaseOutOfDateError, DatabaseUrlError, OSError, ParamsError, SchemaError) as error:
        sys.exit(f"snapshot refused: {error}")
    except SnapshotError as error:
        sys.exit(f"snapshot refused: {error}; --from build/holdout.parquet takes held-out rows")
    except SQLAlchemyError as error:
        sys.exit(f"snapshot failed: {str(getattr(error, 'orig', error)).splitlines()[0]}")
    labelled = sum(record.get("outcome") is not None for record in records)
    print(f"{given.out}: {len(records)} rows, {labelled} with an outcome, sha256 {sha256}")


def _read(table: Path | None, schema: Path, rows: int, settings: Settings) -> list[Record]:
    if table is not None:
        return table_records(
            pd.read_parquet(table), FeatureSchema.from_json(schema.read_bytes()), rows
        )
    engine = make_engine(settings.database_url, pooled=False)
    require_current(engine)
    with engine.connect() as connection:
        return ledger_records(connection, rows, settings.bundles_dir)


if __name__ == "__main__":
    main()
