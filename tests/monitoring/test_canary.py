"""A challenger is tried on a share of the requests, and then promoted, ended, or left to go on."""

import json
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import delete, select, update

from contracts.database import write_transaction
from contracts.monitoring_params import Monitoring
from contracts.tables import decisions, outcomes, predictions
from contracts.traffic import Rule
from monitoring import canary
from monitoring.canary import Finding, run_canary
from monitoring.history import read_history
from monitoring.leases import utc_now
from monitoring.probation import run_probation
from tests.monitoring.canaries import (
    TRIED,
    alike,
    answer,
    begin,
    decided,
    live,
    monitoring,
    registry,
    retrain_row,
)
from tests.monitoring.conftest import FEBRUARY, World
from tests.monitoring.test_probation import clueless
from tests.monitoring.test_vitals import note

__all__ = ["alike", "clueless", "monitoring"]


@pytest.fixture
def slowly(monitoring: Monitoring) -> Monitoring:
    """It takes four days, so that there is time to end it before."""
    promotion = monitoring.promotion
    tried = TRIED.model_copy(update={"hours": 96})
    return monitoring.model_copy(
        update={"promotion": promotion.model_copy(update={"canary": tried})}
    )


def _look(world: World, monitoring: Monitoring, hours: float, **how: bool) -> Finding:
    now = FEBRUARY + timedelta(hours=hours)
    found = run_canary(world.engine, world.bundles, monitoring, now, **how)
    assert found is not None
    return found


def test_one_that_did_no_harm_for_its_time_is_promoted(
    world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    assert registry(world) == (world.bundle.version, "canary", version)
    answered = live(world, february, version, 30)
    early = _look(world, monitoring, 23)
    assert (early.state, decided(world)) == ("canary", [])
    assert "23.0 of 24 hours are over" in early.reason
    found = _look(world, monitoring, 25)

    assert found.state == "promoted", found.reason
    assert 20 < answered
    assert "without fault" in found.reason
    assert registry(world) == (version, "champion", None)
    row = retrain_row(world)
    assert (row.state, row.finished_at) == ("promoted", FEBRUARY + timedelta(hours=25))
    assert json.loads(row.verdict)["reason"] == found.reason
    assert decided(world) == [("canary", "promote", "yes")]
    with world.engine.connect() as connection:
        assert connection.execute(select(decisions.c.retrain_id)).scalar_one() == "r1"
    # From here on its probation runs as after any promotion.
    watched = run_probation(world.engine, world.bundles, monitoring, FEBRUARY + timedelta(hours=26))
    assert watched is not None
    assert "on probation" in watched.reason


def test_a_harmful_one_is_ended_before_its_time(
    world: World, clueless: Path, february: pd.DataFrame, slowly: Monitoring
) -> None:
    version = begin(world, clueless, FEBRUARY, TRIED)
    live(world, february, version, 60)
    found = _look(world, slowly, 60)

    assert found.state == "rejected", found.reason
    assert "costs" in found.reason
    assert "after 60 hours" in found.reason
    assert registry(world) == (world.bundle.version, "champion", None)
    assert retrain_row(world).state == "rejected"
    assert decided(world) == [("canary", "promote", "no")]
    with world.engine.connect() as connection:
        assert read_history(connection, FEBRUARY + timedelta(days=5)).fruitless == 1
    assert run_canary(world.engine, world.bundles, slowly, FEBRUARY) is None


def test_few_rows_and_few_outcomes_wait_and_most_hours_decide(
    world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    live(world, february, version, 12)
    with write_transaction(world.engine) as connection:
        connection.execute(delete(outcomes))
    found = _look(world, monitoring, 100)
    assert found.state == "canary"
    assert "no mature outcome has come yet" in found.reason
    assert "0 mature outcomes are known, 20 are asked for" in found.reason

    last = _look(world, monitoring, 168)
    assert last.state == "promoted"
    assert "its 168 hours are over" in last.reason


def test_one_that_nobody_has_asked_is_not_promoted(
    world: World, alike: Path, monitoring: Monitoring
) -> None:
    begin(world, alike, FEBRUARY, TRIED)
    assert _look(world, monitoring, 100).state == "canary"
    found = _look(world, monitoring, 168)

    assert (found.state, registry(world)[1]) == ("rejected", "champion")
    assert "it has answered nothing" in found.reason


@pytest.mark.parametrize("refusing", [False, True], ids=["cannot be loaded", "refuses all"])
def test_one_that_never_answers_is_ended_and_told(
    world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring, refusing: bool
) -> None:
    """Where no worker can load it the champion answers; what it refuses leaves no row."""
    version = begin(world, alike, FEBRUARY, TRIED)
    live(world, february, version, 20)
    own = predictions.c.model_version == version
    with write_transaction(world.engine) as connection:
        theirs = {"model_version": world.bundle.version}
        change = delete(predictions) if refusing else update(predictions).values(theirs)
        connection.execute(change.where(own))
    found = _look(world, monitoring, 20)

    assert found.state == "rejected"
    assert "no worker can load it" in found.reason
    assert registry(world) == (world.bundle.version, "champion", None)


def test_one_that_refuses_many_of_its_requests_is_ended(
    world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    answered = live(world, february, version, 72)
    own = predictions.c.model_version == version
    some = select(predictions.c.prediction_id).where(own).limit(answered // 2)
    with write_transaction(world.engine) as connection:
        connection.execute(delete(predictions).where(predictions.c.prediction_id.in_(some)))
    found = _look(world, monitoring, 72)

    assert found.state == "rejected"
    assert "were its share have left no row: it refused them, or failed" in found.reason


def test_answers_that_are_not_its_bundles_end_it(
    world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    live(world, february, version, 6)
    own = predictions.c.model_version == version
    with write_transaction(world.engine) as connection:
        connection.execute(update(predictions).where(own).values(probability=0.5))
    found = _look(world, monitoring, 6)

    assert found.state == "rejected"
    assert "what is served is not what was judged" in found.reason


def test_one_whose_files_are_damaged_is_ended(
    world: World, alike: Path, monitoring: Monitoring
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    (world.bundles / version / "model.onnx").write_bytes(b"nothing")
    found = _look(world, monitoring, 1)

    assert found.state == "rejected"
    assert "cannot be read" in found.reason


def test_one_that_fails_where_the_champion_answers_is_ended(
    world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    live(world, february, version, 6)
    for minute in range(10):
        note(world.engine, world.bundle.version, minute, 60, start=FEBRUARY)
        note(world.engine, version, minute, 36, failed=4, start=FEBRUARY)
    found = _look(world, monitoring, 6)

    assert found.state == "rejected"
    assert "it failed 40 of 400 requests" in found.reason


def test_entities_are_drawn_as_the_service_draws_them(
    world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    params = TRIED.model_copy(update={"entity": "dest"})
    version = begin(world, alike, FEBRUARY, params)
    hours = [FEBRUARY + timedelta(hours=number) for number in (1, 30)]
    flights = february[february.event_time.between(*hours, inclusive="left")]
    answered = answer(world, flights, Rule("canary", version, TRIED.share, "dest"))
    found = _look(world, monitoring, 30)

    assert found.state == "promoted"
    assert f"it has answered {answered} rows" in found.seen[0]


def test_a_dry_run_tells_and_changes_nothing(
    world: World, clueless: Path, february: pd.DataFrame, slowly: Monitoring
) -> None:
    version = begin(world, clueless, FEBRUARY, TRIED)
    live(world, february, version, 60)
    found = _look(world, slowly, 60, dry=True)

    assert found.state == "rejected", found.reason
    assert registry(world) == (world.bundle.version, "canary", version)
    assert (retrain_row(world).state, decided(world)) == ("canary", [])


def test_the_command_tells_what_it_sees(
    world: World, alike: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", str(world.engine.url))
    monkeypatch.setenv("PERENNIAL_BUNDLES_DIR", str(world.bundles))
    monkeypatch.setattr("sys.argv", ["canary"])
    with pytest.raises(SystemExit, match="no canary runs"):
        canary.main()
    version = begin(world, alike, utc_now() - timedelta(hours=2))
    canary.main()

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"canary {version}"
    assert "it has answered 0 rows" in lines[1]
    assert "no mature outcome has come yet" in lines[2]
    assert lines[3].startswith("goes on: ")
