"""Begins a canary as a retrain does, and logs what a service would while it runs."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sqlalchemy import Row, bindparam, insert, select, update

from contracts.bundle import load_bundle, save_bundle
from contracts.database import write_transaction
from contracts.monitoring_params import Canary, Monitoring, Promotion
from contracts.params import Params
from contracts.registry import champion, register
from contracts.tables import CANARY, decisions, predictions, retrains
from contracts.traffic import Rule, arm_of, current_traffic, entity_key
from monitoring import canary_rule
from tests.monitoring.conftest import FEBRUARY, World

TRIED = Canary(share=0.4, min_rows=20)


@pytest.fixture(scope="session")
def alike(tmp_path_factory: pytest.TempPathFactory, trained: Path) -> Path:
    """The champion's model again, as another version."""
    bundle = load_bundle(trained)
    facts = {name: bundle.manifest[name] for name in ("trained_from", "trained_until")}
    directory = tmp_path_factory.mktemp("alike") / "bundle"
    save_bundle(directory, {**bundle.files, "model_card.md": b"# Again\n"}, facts)
    return directory


@pytest.fixture
def monitoring(params: Params) -> Monitoring:
    promotion = Promotion(mode="canary", canary=TRIED)
    return params.monitoring.model_copy(update={"promotion": promotion, "recalibrate": None})


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


def live(world: World, february: pd.DataFrame, version: str, hours: float) -> int:
    flights = february[february.event_time < FEBRUARY + timedelta(hours=hours)]
    return answer(world, flights, Rule("canary", version, TRIED.share))


def retrain_row(world: World) -> Row[Any]:
    with world.engine.connect() as connection:
        return connection.execute(select(retrains)).one()


def decided(world: World) -> list[tuple[str, str, str]]:
    with world.engine.connect() as connection:
        rows = connection.execute(select(decisions)).all()
    return [(row.trigger, row.action, row.answer) for row in rows]


def registry(world: World) -> tuple[str, str, str | None]:
    """The champion, and who else answers how."""
    with world.engine.connect() as connection:
        current, traffic = champion(connection), current_traffic(connection)
    assert current is not None
    assert traffic is not None
    return current.version, traffic.rule.mode, traffic.rule.version
