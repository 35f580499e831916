"""What follows a gate's yes, for a challenger that was trained in GitHub Actions."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from contracts.database import write_transaction
from contracts.monitoring_params import Promotion
from contracts.registry import champion, register
from contracts.tables import retrains
from contracts.traffic import Rule, current_traffic
from contracts.traffic_rules import change_traffic, check_traffic
from monitoring.alerts import news_of_canary, news_of_retrain
from monitoring.canary import run_canary
from monitoring.retrain import Outcome, run_retrain
from monitoring.triggers import of_person
from tests.monitoring.conftest import World
from tests.monitoring.github_server import Server
from tests.monitoring.test_github import NOW, challenger, github_params, server, settings_of
from tests.monitoring.test_probation import clueless

__all__ = ["challenger", "clueless", "server"]


def _retrain(
    world: World, server: Server, challenger: bytes, tmp_path: Path, promotion: dict[str, Any]
) -> tuple[Outcome, Any]:
    server.archive, server.polls = challenger, 0
    settings = settings_of(server, tmp_path, bundles_dir=world.bundles, reports_dir=world.reports)
    params = github_params()
    asked = Promotion.model_validate(promotion)
    monitoring = params.monitoring.model_copy(update={"promotion": asked})
    params = params.model_copy(update={"monitoring": monitoring})
    outcome = run_retrain(
        world.engine, settings, params, lambda: NOW, of_person("a person asks", NOW)
    )
    with world.engine.connect() as connection:
        return outcome, connection.execute(select(retrains)).one()


def _registry(world: World) -> tuple[str, Rule | None]:
    with world.engine.connect() as connection:
        current, traffic = champion(connection), current_traffic(connection)
    assert current is not None
    return current.version, traffic.rule if traffic else None


def test_a_canary_comes_first_where_params_say_so(
    world: World, server: Server, challenger: bytes, tmp_path: Path
) -> None:
    asked = {"mode": "canary", "canary": {"share": 0.2, "entity": "dest"}}
    outcome, row = _retrain(world, server, challenger, tmp_path, asked)

    assert (outcome.state, row.state) == ("canary", "canary"), outcome.reason
    assert row.finished_at == NOW
    rule = Rule("canary", outcome.challenger, 0.2, "dest")
    assert _registry(world) == (world.bundle.version, rule)
    verdict = json.loads(row.verdict)
    assert verdict["reason"] == outcome.reason
    assert "a canary answers 0.2 of the requests for 24 hours at least" in outcome.reason
    assert {"saved", "t", "days", "canary", "run_url"} <= set(verdict)
    news = news_of_retrain(outcome.state, outcome.challenger, outcome.reason)
    assert (news.kind, news.title) == ("info", f"retrain canary: version {outcome.challenger}")
    monitoring = github_params().monitoring
    found = run_canary(world.engine, world.bundles, monitoring, NOW)
    assert found is not None
    assert found.state == "canary"


@pytest.mark.parametrize(
    ("divided", "entity", "why"),
    [(True, None, "traffic is divided already, shadow"),
     (False, "customer", "entity 'customer' is no feature")],
)  # fmt: skip
def test_where_no_canary_can_begin_a_person_decides(
    world: World,
    server: Server,
    challenger: bytes,
    clueless: Path,
    tmp_path: Path,
    divided: bool,
    entity: str | None,
    why: str,
) -> None:
    if divided:
        other = register(world.engine, world.bundles, clueless, NOW, {})
        with world.engine.connect() as connection:
            checked = check_traffic(connection, world.bundles, Rule("shadow", other))
        with write_transaction(world.engine) as connection:
            change_traffic(connection, checked, actor="she", reason="to see", now=NOW)
    before = _registry(world)
    asked = {"mode": "canary", "canary": {"entity": entity}}
    outcome, row = _retrain(world, server, challenger, tmp_path, asked)

    assert (outcome.state, row.state) == ("awaiting", "awaiting"), outcome.reason
    assert f"no canary can begin: {why}" in outcome.reason
    assert f"python -m contracts.registry promote {outcome.challenger}" in outcome.reason
    assert _registry(world) == before


@pytest.mark.parametrize(
    ("state", "kind"), [("promoted", "success"), ("rejected", "warning"), ("superseded", "info")]
)
def test_how_a_canary_ended_is_told(state: str, kind: str) -> None:
    news = news_of_canary(state, "v2", "it costs")

    assert (news.kind, news.title, news.text) == (kind, f"canary {state}: version v2", "it costs")
