"""A team's own table: adopt, `dvc repro`, serve, predict, explain, learn again; no hand edits."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from contracts.database import make_engine, write_transaction
from contracts.migrate import migrate
from contracts.params import load_params
from contracts.registry import promote, register
from contracts.settings import Settings
from monitoring.retrain import run_retrain
from monitoring.triggers import of_person
from service.app import create_app
from tests.conftest import OPEN
from tests.end_to_end.conftest import clone, run_in
from tests.end_to_end.tables import CASES, Case

pytestmark = pytest.mark.slow
FIRST = ("iris", "diabetes")  # the others are long
# One outcome is learned from, and too little to judge by.
RETRAINED = {"sensors": "not enough to judge", "houses": "not enough to judge"}


def _adopt_and_train(case: Case, directory: Path) -> Path:
    """A clone that has learned from the table."""
    table = directory / f"table{case.suffix}"
    case.write(table)
    project = clone(directory / "perennial")
    run_in(project, "python", "-m", "pipeline.adopt", "--data", str(table), *case.options)
    run_in(project, "dvc", "repro")
    return project


def _serve(project: Path, directory: Path) -> Settings:
    settings = Settings(
        _env_file=None,
        database_url=f"sqlite:///{directory}/perennial.db",
        bundles_dir=directory / "bundles",
        work_dir=directory / "retrains",
        project_dir=project,
        params_file=project / "params.yaml",
        champion_poll_seconds=0.05,
        **OPEN,
    )
    engine, now = make_engine(settings.database_url), datetime.now(UTC)
    migrate(engine)
    version = register(engine, settings.bundles_dir, project / "build" / "bundle", now, {})
    with write_transaction(engine) as connection:
        promote(connection, version, actor="a test", reason="first", now=now)
    engine.dispose()
    return settings


@pytest.mark.parametrize(
    "name",
    [name if name in FIRST else pytest.param(name, marks=pytest.mark.long) for name in CASES],
)
def test_table_is_adopted_trained_served_and_retrained(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    project = _adopt_and_train(case, tmp_path)
    assert load_params(project / "params.yaml").data.task == case.task
    settings = _serve(project, tmp_path)

    with TestClient(create_app(settings)) as client:
        row = case.row or _documented_row(client)
        answer = client.post("/predict", json={"features": row}).raise_for_status().json()
        assert case.answer in (None, *answer["prediction"])
        assert ("interval" in answer) == (case.task == "regression")
        found = answer["prediction_id"][0]
        outcome = {"prediction_id": found, "outcome": answer["prediction"][0]}
        assert client.post("/outcomes", json=outcome).status_code == 200
        explained = _explain(client, found)
        sum_of = sum(each["contribution"] for each in explained["features"])
        assert explained["base_value"] + sum_of == pytest.approx(explained["value"], rel=1e-4)

    if name in RETRAINED:
        engine = make_engine(settings.database_url)
        later = datetime.now(UTC) + timedelta(days=2)  # the outcomes are mature
        outcome = run_retrain(
            engine, settings, load_params(settings.params_file), lambda: later,
            of_person("a test", later),
        )  # fmt: skip
        engine.dispose()
        assert (outcome.state, RETRAINED[name] in outcome.reason) == ("rejected", True), outcome


def _documented_row(client: TestClient) -> Any:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    return schemas["PositionalRow"]["example"]


def _explain(client: TestClient, prediction_id: str) -> Any:
    """The explanation; the first one waits for its process to start."""
    for _ in range(60):
        answer = client.get(f"/predictions/{prediction_id}/explanation")
        if answer.status_code != 503:
            break
    return answer.raise_for_status().json()
