"""Tables of every task and kind of feature are estimated from what the database holds."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Engine, insert
from uuid_utils import uuid7

from contracts.bundle import Bundle
from contracts.database import write_transaction
from contracts.params import Params, Task
from contracts.schema import EVENT_TIME
from contracts.tables import outcomes, predictions
from monitoring.outlook import look_ahead
from monitoring.windows import read_rows
from tests.migrated import migrated_engine
from tests.task_bundles import make_rows, make_task_bundle

NOW = datetime(2026, 5, 8, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = migrated_engine(f"sqlite:///{tmp_path}/perennial.db")
    yield engine
    engine.dispose()


def with_unseen(bundle: Bundle) -> Bundle:
    """The bundle with answers to other rows than those that it learned from."""
    schema = bundle.schema
    rows = pd.concat([make_rows(schema, seed) for seed in (1, 2, 3, 4)], ignore_index=True)
    answers = dict(zip(schema.answers, bundle.model().answers_of(rows).T, strict=True))
    whole = rows.assign(**answers, **{EVENT_TIME: NOW - timedelta(days=90)})
    short = whole[[EVENT_TIME, "it", *schema.answers]]
    files = {"reference.parquet": whole.to_parquet(), "unseen.parquet": short.to_parquet()}
    return replace(bundle, files={**bundle.files, **files})


def log(engine: Engine, bundle: Bundle, rows: pd.DataFrame, at: datetime) -> None:
    """As the service does, outcomes too."""
    task, names = bundle.schema.target.task, bundle.schema.names
    logged, known = [], []
    for row, answer in zip(json.loads(rows.to_json(orient="records", date_format="iso")),
                           bundle.model().answers_of(rows).tolist(), strict=True):  # fmt: skip
        one = {"prediction_id": str(uuid7()), "predicted_at": at, "event_time": at,
               "model_version": bundle.version, "features": json.dumps({n: row[n] for n in names}),
               **_answered(task, answer)}  # fmt: skip
        logged.append(one)
        known.append({"prediction_id": one["prediction_id"], "outcome": json.dumps(row["it"]),
                      "observed_at": at, "recorded_at": at})  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(predictions), logged)
        connection.execute(insert(outcomes), known)


def _answered(task: Task, answer: list[float]) -> dict[str, Any]:
    if task == "regression":
        return {"prediction": json.dumps(answer[0]), "probability": None, "scores": None}
    if task == "binary":
        return {"prediction": '"yes"', "probability": answer[1], "scores": None}
    return {"prediction": '"low"', "probability": max(answer), "scores": json.dumps(answer)}


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_task_is_estimated(
    tmp_path: Path, engine: Engine, params: Params, task: Task
) -> None:
    bundle = with_unseen(make_task_bundle(tmp_path / "bundle", task))
    log(engine, bundle, make_rows(bundle.schema, 5), NOW - timedelta(days=10))
    log(engine, bundle, make_rows(bundle.schema, 6), NOW - timedelta(days=2))
    with engine.connect() as connection:
        window = read_rows(connection, bundle.schema, NOW - timedelta(days=7), NOW, 1000)
        found = look_ahead(connection, bundle, window, params.monitoring, NOW)

    loss = found.figures["loss"]
    assert found.rows == 300
    assert loss.low is not None and loss.high is not None and loss.usual is not None
    assert loss.low < loss.usual < loss.high
    assert found.seen_until is not None
