"""A database of which every tenth row is one subject's, to erase it from."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, insert, select

from contracts import audit
from contracts.database import checkpoint, write_transaction
from contracts.registry import promote, register
from contracts.settings import Settings
from contracts.subject import Subject
from contracts.tables import (
    audit_log,
    idempotency_keys,
    outcomes,
    predictions,
    shadow_predictions,
)
from monitoring.erase import run_erasure
from monitoring.erasure import Erasure
from monitoring.whereabouts import Found
from tests.bundles import make_bundle
from tests.migrated import migrated_engine

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WHO = "customer-4711"
SUBJECT = Subject("customer", WHO)
NOBODY = "customer-47110"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None,
        database_url=f"sqlite:///{tmp_path}/perennial.db",
        bundles_dir=tmp_path / "bundles",
        reports_dir=tmp_path / "reports",
        work_dir=tmp_path / "retrains",
        spool_dir=tmp_path / "spool",
        project_dir=tmp_path / "project",
    )


@pytest.fixture
def engine(settings: Settings, tmp_path: Path) -> Iterator[Engine]:
    """A champion, and 400 rows of which every tenth is the subject's, half with an outcome."""
    engine = migrated_engine(settings.database_url)
    make_bundle(tmp_path / "bundle", seed=0)
    version = register(engine, settings.bundles_dir, tmp_path / "bundle", NOW, {})
    with write_transaction(engine) as connection:
        promote(connection, version, actor="test", reason="first", now=NOW)
    log_rows(engine, range(400))
    yield engine
    engine.dispose()


def name_of(number: int) -> str:
    return f"01a1fd10-fe88-726d-baae-{number:012x}"


def log_rows(engine: Engine, numbers: range) -> None:
    rows, known, shadows, keys = [], [], [], []
    for number in numbers:
        who = WHO if number % 10 == 0 else f"{NOBODY}-{number}"
        at, name = NOW - timedelta(days=700, minutes=number), name_of(number)
        answer = {"prediction_id": name, "model_version": "v", "predicted_at": at,
                  "prediction": "1", "probability": 0.5}  # fmt: skip
        features = json.dumps({"hour": 3, "customer": who, "note": "x" * (number * 13 % 900)})
        rows.append({**answer, "event_time": at, "features": features})
        shadows.append(answer)
        kept = json.dumps({"prediction_id": [name]})
        keys.append({"owner": "", "key": name, "digest": "", "answer": kept, "created_at": NOW})
        if number % 20 == 0:
            known.append({"prediction_id": name, "outcome": "1", "observed_at": at,
                          "recorded_at": at})  # fmt: skip
    for table, given in ((predictions, rows), (outcomes, known), (shadow_predictions, shadows),
                         (idempotency_keys, keys)):  # fmt: skip
        with write_transaction(engine) as connection:
            connection.execute(insert(table), given)
    checkpoint(engine)


def run(engine: Engine, settings: Settings, subject: Subject = SUBJECT) -> tuple[Found, Erasure]:
    return run_erasure(engine, settings, subject, lambda: NOW, actor="a test", wait_seconds=0)


def count(engine: Engine) -> list[int]:
    tables = (predictions, outcomes, shadow_predictions, idempotency_keys)
    with engine.connect() as connection:
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables
        ]


def entries(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        assert audit.verify(connection) == []
        rows = connection.execute(select(audit_log).order_by(audit_log.c.entry_id)).all()
    return [f"{row.actor} {row.action} {row.subject} {row.detail}" for row in rows]
