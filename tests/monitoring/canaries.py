"""Begins a canary as a retrain does, and logs what a service would while it runs."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Row, bindparam, insert, select, update

from contracts.bundle import load_bundle
from contracts.database import write_transaction
from contracts.monitoring_params import Canary
from contracts.registry import register
from contracts.tables import CANARY, predictions, retrains
from contracts.traffic import Rule, arm_of, entity_key
from monitoring import canary_rule
from tests.monitoring.conftest import World


def begin(
    world: World, source: Path, at: datetime, params: Canary | None = None, retrain_id: str = "r1"
) -> str:
    """A retrain whose challenger the gate lets pass; gives its version."""
    params = params or Canary()
    version = register(world.engine, world.bundles, source, at, {})
    with world.engine.connect() as connection:
        planned = canary_rule.plan(connection, world.bundles, version, params)
    with write_transaction(world.engine) as connection:
        facts = canary_rule.begin(
            connection, planned, actor=f"retrain {retrain_id}", reason="saves 0.01", now=at
        )
        row = {"retrain_id": retrain_id, "started_at": at, "finished_at": at, "state": CANARY,
               "reason": "a test", "champion_version": world.bundle.version,
               "challenger_version": version,
               "verdict": json.dumps({"promote": True, "reason": "", **facts})}  # fmt: skip
        connection.execute(insert(retrains).values(row))
    return version


def answer(world: World, flights: pd.DataFrame, rule: Rule) -> int:
    """Log flights as a service that follows the rule; gives how many the canary has answered.

    Each is a request of its own, so each is answered in an instant of its own.
    """
    ids = world.answer(flights)
    bundle = load_bundle(world.bundles / str(rule.version))
    theirs = dict(zip(ids, bundle.model().answers_of(flights)[:, 1], strict=True))
    with write_transaction(world.engine) as connection:
        found = select(predictions).where(predictions.c.prediction_id.in_(ids))
        rows = [_served(row, rule, theirs, number) for number, row in
                enumerate(connection.execute(found))]  # fmt: skip
        change = update(predictions).where(predictions.c.prediction_id == bindparam("own"))
        connection.execute(change, rows)
    return sum(row["model_version"] == bundle.version for row in rows)


def _served(row: Row[Any], rule: Rule, theirs: dict[str, float], number: int) -> dict[str, Any]:
    key = entity_key(row.features, rule.entity) if rule.entity else row.prediction_id
    own = arm_of(rule, key) == "other"
    return {
        "own": row.prediction_id,
        "predicted_at": row.predicted_at + timedelta(milliseconds=number),
        "model_version": rule.version if own else row.model_version,
        "probability": float(theirs[row.prediction_id]) if own else row.probability,
    }


def near(flights: pd.DataFrame, start: datetime) -> pd.DataFrame:
    """The flights, moved so that the first one is at `start`."""
    shift = start - flights.event_time.min()
    return flights.assign(event_time=flights.event_time + shift)
