"""A database as months of use leave it: for what has to be fast, or to look well, with many rows.

The rows are the bundle's own reference sample, asked again and again; the checks are copies of one
that monitoring has really made of them.
"""

import json
import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pandas as pd
from sqlalchemy import Engine, insert, select
from uuid_utils import uuid7

from contracts.bundle import Bundle, load_bundle
from contracts.database import checkpoint, write_transaction
from contracts.params import load_params
from contracts.registry import promote, register
from contracts.tables import (
    checks,
    decisions,
    predictions,
    retrains,
    scoring_parts,
    scorings,
    vitals,
)
from monitoring.check import run_check

DAYS = 60
CHECKS, RETRAINS = 300, 40
FILE_ROWS = 2_000
PART = 50_000  # rows of one transaction
OUTCOME_EVERY = 2
WORKERS = 2  # that count vitals, each every minute
Row = tuple[Any, ...]

_PREDICTIONS = ("predictions", "prediction_id, predicted_at, event_time, model_version, features, "
                "prediction, probability")  # fmt: skip
_OUTCOMES = ("outcomes", "prediction_id, outcome, observed_at, recorded_at")


def live(engine: Engine, bundles: Path, made: Path, rows: int, now: datetime) -> str:
    """Promote a binary bundle in a migrated database, and log so many rows of the last DAYS.

    Args:
        made: the bundle's directory.
        rows: also enough for a check; 0 = nothing has been asked yet.

    Returns:
        The champion's version.
    """
    start = now - timedelta(days=DAYS)
    version = register(engine, bundles, made, start, {"by": "a benchmark"})
    with write_transaction(engine) as connection:
        promote(connection, version, actor="a benchmark", reason="first", now=start)
    if rows:
        log_rows(engine, load_bundle(made), rows, start, now)
        _check_often(engine, bundles, now)
        _count(engine, version, now)
        _send_file(engine, now)
    return version


def log_rows(engine: Engine, bundle: Bundle, rows: int, start: datetime, end: datetime) -> None:
    """Predictions evenly spread over the time, half of them with an outcome."""
    pool, step = _pool(bundle), (end - start) / rows
    for first in range(0, rows, PART):
        asked, known = [], []
        for i in range(first, min(first + PART, rows)):
            at, (features, truth, answer, chance) = start + i * step, pool[i % len(pool)]
            name = _id(at)
            asked.append((name, at, at, bundle.version, features, answer, chance))
            if i % OUTCOME_EVERY == 0 and at + timedelta(hours=1) < end:
                known.append((name, truth, at, at + timedelta(hours=1)))
        _insert(engine, *_PREDICTIONS, asked)
        _insert(engine, *_OUTCOMES, known)
        checkpoint(engine)
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE")


def _id(at: datetime) -> str:
    """A version 7 UUID of that moment."""
    moment, rest = f"{int(at.timestamp() * 1000):012x}", secrets.token_hex(9)
    return f"{moment[:8]}-{moment[8:]}-7{rest[:3]}-8{rest[3:6]}-{rest[6:18]}"


def _pool(bundle: Bundle) -> list[tuple[str, str, str, float]]:
    """Features, truth and answer as the ledger stores them, and the positive class's chance."""
    schema = bundle.schema
    frame = pd.read_parquet(BytesIO(bundle.files["reference.parquet"]))
    chances = bundle.model().answers_of(frame)[:, -1]
    asked = frame[schema.names].copy()
    for feature in schema.features:
        if feature.kind == "boolean":
            asked[feature.name] = asked[feature.name].astype("boolean")
        elif feature.kind == "integer":
            asked[feature.name] = asked[feature.name].astype("Int64")
    lines = asked.to_json(orient="records", lines=True, date_format="iso").splitlines()
    labels = [json.dumps(label) for label in schema.target.classes]
    truths = [labels[list(schema.target.classes).index(t)] for t in frame[schema.target.name]]
    return [
        (line, truth, labels[int(chance >= schema.target.threshold)], float(chance))
        for line, truth, chance in zip(lines, truths, chances, strict=True)
    ]


def _insert(engine: Engine, table: str, columns: str, rows: list[Row]) -> None:
    """As fast as the driver can."""
    with write_transaction(engine) as connection:
        cursor: Any = connection.connection.cursor()
        if engine.dialect.name == "postgresql":
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        else:
            marks = ", ".join("?" * len(columns.split(",")))
            command = f"INSERT INTO {table} ({columns}) VALUES ({marks})"
            cursor.executemany(command, map(_as_sqlite, rows))


def _as_sqlite(row: Row) -> Row:
    return tuple(
        one.isoformat(" ", "microseconds")[:26] if isinstance(one, datetime) else one for one in row
    )


def _check_often(engine: Engine, bundles: Path, now: datetime) -> None:
    """One real check, its copies each six hours before, and retrains that some of them led to."""
    params = load_params(Path("params.yaml")).monitoring
    check = run_check(engine, bundles, bundles.parent / "reports", params, now, draw=_no_page)
    with write_transaction(engine) as connection:
        own = select(checks).where(checks.c.check_id == check.check_id)
        made = connection.execute(own).one()._asdict()
        copies = [{**made, "check_id": str(uuid7()), **_earlier(made, 6 * i, _CHECK_TIMES)}
                  for i in range(1, CHECKS)]  # fmt: skip
        connection.execute(insert(checks), copies)
        led = [_retrain(copies[i * len(copies) // RETRAINS]) for i in range(RETRAINS)]
        connection.execute(insert(retrains), led)
        connection.execute(insert(decisions), [_decision(copy) for copy in copies])


def _send_file(engine: Engine, now: datetime) -> None:
    """As if the newest rows had come in one file."""
    newest = select(predictions.c.prediction_id).order_by(predictions.c.prediction_id.desc())
    with write_transaction(engine) as connection:
        names = list(connection.execute(newest.limit(FILE_ROWS)).scalars())
        row = {"scoring_id": str(uuid7()), "asked_at": now, "actor": "a benchmark",
               "rows": len(names), "state": "done", "finished_at": now}  # fmt: skip
        part = {"scoring_id": row["scoring_id"], "part": 0, "rows": len(names), "answered_at": now,
                "prediction_ids": b"".join(UUID(name).bytes for name in names)}  # fmt: skip
        connection.execute(insert(scorings).values(row))
        connection.execute(insert(scoring_parts).values(part))


_CHECK_TIMES = ("checked_at", "window_from", "window_to")


def _earlier(row: dict[str, Any], hours: int, names: tuple[str, ...]) -> dict[str, datetime]:
    return {name: row[name] - timedelta(hours=hours) for name in names}


def _retrain(check: dict[str, Any]) -> dict[str, Any]:
    at = check["checked_at"]
    return {"retrain_id": str(uuid7()), "check_id": check["check_id"], "started_at": at,
            "finished_at": at + timedelta(minutes=3), "state": "rejected",
            "reason": check["reason"], "champion_version": check["model_version"],
            "challenger_version": None,
            "verdict": json.dumps({"promote": False, "gain": -0.001, "z": -0.4})}  # fmt: skip


def _decision(check: dict[str, Any]) -> dict[str, Any]:
    return {"decision_id": str(uuid7()), "decided_at": check["checked_at"], "trigger": "check",
            "trigger_id": check["check_id"], "actor": "monitoring", "action": "retrain",
            "answer": "no", "seen": check["reason"],
            "reason": "a retrain for the same reason was refused less than a week ago"}  # fmt: skip


def _no_page(*_: object) -> dict[str, Any]:
    return {}


def _count(engine: Engine, version: str, now: datetime) -> None:
    """What the service's workers note by the minute, for a day."""
    with write_transaction(engine) as connection:
        connection.execute(insert(vitals), list(_minutes(version, now)))


def _minutes(version: str, now: datetime) -> Iterator[dict[str, Any]]:
    for minute in range(24 * 60):
        until = now - timedelta(minutes=minute)
        for _ in range(WORKERS):
            yield {"model_version": version, "since": until - timedelta(minutes=1), "until": until,
                   "requests": 600 + minute % 90, "rows": 700, "failed": 0, "not_finite": 0,
                   "times": json.dumps([0, 300, 250, 50] + [0] * 11), "request_seconds": 0.5,
                   "model_seconds": 0.1}  # fmt: skip
