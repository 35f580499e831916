"""A retrain in GitHub Actions ends as its run did, and the workflow does what it asks."""

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from sqlalchemy import select, update

from contracts.bundle import load_bundle
from contracts.database import write_transaction
from contracts.params import Params, load_params
from contracts.registry import champion
from contracts.settings import Settings
from contracts.tables import leases, retrains
from monitoring import snapshot
from monitoring.attempts import recover
from monitoring.challenge import BUNDLE, HOLDOUT
from monitoring.github import EVENT
from monitoring.retrain import run_retrain
from monitoring.snapshot import write_snapshot
from monitoring.triggers import of_person
from tests.monitoring.conftest import World
from tests.monitoring.github_retrains import (
    NOW,
    PAYLOAD,
    URL,
    challenger,
    server,
    settings_of,
)
from tests.monitoring.github_server import TOKEN, Server

__all__ = ["challenger", "server"]
WORKFLOW = Path(".github/workflows/retrain.yml")


def github_params() -> Params:
    params = load_params(Path("params.yaml"))
    retrain = params.monitoring.retrain.model_copy(update={"mode": "github"})
    update = {"retrain": retrain, "recalibrate": None}
    monitoring = params.monitoring.model_copy(update=update)
    return params.model_copy(update={"monitoring": monitoring})


def retrain_there(world: World, settings: Settings) -> Any:
    own = {"bundles_dir": world.bundles, "reports_dir": world.reports}
    settings = settings.model_copy(update=own)
    asked = of_person("a person asks", NOW)
    outcome = run_retrain(world.engine, settings, github_params(), lambda: NOW, asked)
    with world.engine.connect() as connection:
        row = connection.execute(select(retrains)).one()
        until = connection.execute(
            select(leases.c.expires_at).where(leases.c.name == "retrain")
        ).scalar_one()
    assert until < datetime.now(UTC) - timedelta(days=1)  # given back
    return outcome, row


def test_a_run_that_trains_a_better_model_leads_to_its_promotion(
    world: World, server: Server, challenger: bytes, tmp_path: Path
) -> None:
    server.archive = challenger
    server.polls = 0
    outcome, row = retrain_there(world, settings_of(server, tmp_path))

    assert (outcome.state, row.state) == ("promoted", "promoted"), outcome.reason
    assert json.loads(row.verdict)["run_url"] == URL
    with world.engine.connect() as connection:
        current = champion(connection)
    assert current is not None
    assert current.version == outcome.challenger != world.bundle.version
    assert load_bundle(world.bundles / current.version).files["model_card.md"].startswith(b"# Tra")
    (sent,) = server.dispatches
    assert sent["event_type"] == "perennial-retrain"
    assert sent["client_payload"] == {
        "retrain_id": row.retrain_id, "reason": "a person asks",
        "champion": world.bundle.version,
        "until": (NOW - timedelta(days=1)).isoformat(),  # what is mature
    }  # fmt: skip
    assert server.tokens == {f"Bearer {TOKEN}"}
    assert server.elsewhere == [None]
    assert not (tmp_path / "work" / row.retrain_id).exists()


def test_a_retrain_whose_process_died_keeps_the_address_of_its_run(
    world: World, server: Server, tmp_path: Path
) -> None:
    server.polls, server.conclusion = 0, "failure"
    _, row = retrain_there(world, settings_of(server, tmp_path))
    alive = {"state": "started", "finished_at": None, "verdict": json.dumps({"run_url": URL})}
    with write_transaction(world.engine) as connection:  # as while it followed the run
        connection.execute(update(retrains).values(alive))

    assert recover(world.engine, NOW, datetime.now(UTC)) == [row.retrain_id]
    with world.engine.connect() as connection:
        buried = connection.execute(select(retrains)).one()
    assert buried.state == "failed"
    assert json.loads(buried.verdict)["run_url"] == URL


def test_a_run_that_failed_is_a_failed_retrain_with_its_address(
    world: World, server: Server, tmp_path: Path
) -> None:
    server.polls, server.conclusion = 0, "failure"
    outcome, row = retrain_there(world, settings_of(server, tmp_path))

    assert (outcome.state, row.state) == ("failed", "failed")
    assert json.loads(row.verdict) == {
        "error": f"the run ended with 'failure': {URL}", "run_url": URL,
    }  # fmt: skip


def test_the_workflow_and_its_dispatcher_agree(server: Server) -> None:
    text = WORKFLOW.read_text()
    workflow = yaml.safe_load(text)
    assert workflow[True]["repository_dispatch"] == {"types": [EVENT]}  # YAML reads `on` so
    assert "client_payload.retrain_id" in workflow["run-name"]
    used = set(re.findall(r"client_payload\.(\w+)", text))
    assert used <= PAYLOAD.keys()
    (upload,) = (
        step["with"] for step in workflow["jobs"]["train"]["steps"]
        if "upload-artifact" in step.get("uses", "")
    )  # fmt: skip
    assert upload["name"].startswith("retrain-")
    assert upload["path"].split() == [str(BUNDLE), str(HOLDOUT)]


def test_outcomes_are_frozen_by_a_command(
    world: World, february: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    world.answer(february)
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", str(world.engine.url))
    monkeypatch.setattr(
        sys, "argv", ["snapshot", "--until", NOW.isoformat(), "--directory", str(tmp_path / "o")]
    )
    snapshot.main()

    told = Path(capsys.readouterr().out.strip())
    with world.engine.connect() as connection:
        as_here = write_snapshot(connection, world.bundle.schema, NOW, tmp_path / "here")
    assert told.read_bytes() == as_here.read_bytes()
