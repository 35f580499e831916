"""What somebody asks for from a page is run once, told, and never left running by the dead."""

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, Table, select, update
from starlette.testclient import TestClient

from contracts.audit import verify
from contracts.database import write_transaction
from contracts.errands import DIED, Kind, NotWaitingError, OpenErrandError, ask, withdraw
from contracts.settings import Settings
from contracts.tables import audit_log, checks, decisions, errands, leases, retrains
from deploy.local import as_environment
from monitoring.alerts import Alerts
from monitoring.errands import check_if_asked, retrain_if_asked
from monitoring.leases import LENGTH, take, utc_now
from service.app import create_app
from tests.conftest import OPEN, make_key
from tests.migrated import migrated_engine
from tests.monitoring.conftest import World
from tests.service.test_sign_in import csrf, sign_in

HOSTILE = "<script>hit('1')</script>; '\u202e"


@pytest.fixture
def settings(world: World, tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None,
        database_url=str(world.engine.url),
        bundles_dir=world.bundles,
        reports_dir=world.reports,
        work_dir=tmp_path / "work",
        project_dir=tmp_path / "no repository",  # so that a retrain ends at once
    )


def asked(world: World, kind: Kind, reason: str = "to see") -> str:
    with write_transaction(world.engine) as connection:
        return ask(connection, kind, actor="somebody", reason=reason, now=utc_now())


def rows(world: World, table: Table) -> list[Row[Any]]:
    with world.engine.connect() as connection:
        return list(connection.execute(select(table)).all())


def run(world: World, settings: Settings) -> None:
    """One look of the scheduler."""
    for job in (check_if_asked, retrain_if_asked):
        job(world.engine, settings, threading.Event(), Alerts([]))


def test_nobody_asks_and_nothing_happens(world: World, settings: Settings) -> None:
    run(world, settings)

    assert rows(world, checks) == rows(world, leases) == []


def test_a_check_that_was_asked_for_is_run_once_and_told(world: World, settings: Settings) -> None:
    name = asked(world, "check", HOSTILE)
    run(world, settings)
    run(world, settings)

    (errand,), (check,), (told,) = (rows(world, one) for one in (errands, checks, decisions))
    assert (errand.errand_id, errand.state, errand.result_id) == (name, "done", check.check_id)
    assert errand.told == f"{check.decision}: {check.reason}"
    assert errand.asked_at <= errand.started_at <= errand.finished_at
    assert (told.trigger_id, told.actor, told.answer) == (check.check_id, "somebody", "no")
    assert rows(world, retrains) == []


def test_a_retrain_that_was_asked_for_goes_through_the_governor(
    world: World, settings: Settings
) -> None:
    name = asked(world, "retrain", HOSTILE)
    run(world, settings)

    (errand,), (retrain,), (told,) = (rows(world, one) for one in (errands, retrains, decisions))
    assert (errand.state, errand.result_id) == ("failed", retrain.retrain_id)  # no repository
    assert errand.told.startswith("failed: ")
    assert (told.trigger, told.trigger_id, told.actor) == ("person", name, "somebody")
    assert (told.answer, told.retrain_id) == ("yes", retrain.retrain_id)
    assert retrain.reason == told.seen == HOSTILE


def test_the_governor_s_no_is_told(world: World, settings: Settings) -> None:
    with write_transaction(world.engine) as connection:
        take(connection, "retrain", "another host", utc_now(), LENGTH)
    asked(world, "retrain")
    run(world, settings)

    (errand,) = rows(world, errands)
    assert (errand.state, errand.result_id) == ("refused", None)
    assert "already running at another host" in errand.told
    assert rows(world, retrains) == []


def test_of_each_kind_one_is_open_at_a_time(world: World, settings: Settings) -> None:
    asked(world, "check")
    with pytest.raises(OpenErrandError, match="a check is waiting already, asked for by somebody"):
        asked(world, "check")
    asked(world, "retrain")
    run(world, settings)
    asked(world, "check")

    assert [row.state for row in rows(world, errands)].count("waiting") == 1


def test_asking_and_withdrawing_are_audited(world: World, settings: Settings) -> None:
    name = asked(world, "check")
    with write_transaction(world.engine) as connection:
        withdraw(connection, name, actor="another", now=utc_now())
    with (
        write_transaction(world.engine) as connection,
        pytest.raises(NotWaitingError, match="does not wait any more"),
    ):
        withdraw(connection, name, actor="another", now=utc_now())
    run(world, settings)

    (errand,) = rows(world, errands)
    assert (errand.state, errand.told) == ("withdrawn", "withdrawn by another")
    acts = [(row.actor, row.action, row.subject) for row in rows(world, audit_log)[-2:]]
    assert acts == [("somebody", "ask for a check", name), ("another", "withdraw", name)]
    with world.engine.connect() as connection:
        assert verify(connection) == []


def test_a_page_asks_monitoring_runs_and_the_page_tells(world: World, settings: Settings) -> None:
    key = make_key(world.engine, "read", "admin")
    served = settings.model_copy(update=OPEN)
    with TestClient(create_app(served), base_url="https://testserver") as browser:
        sign_in(browser, key)
        form = {"kind": "check", "reason": "to see", "sure": "yes"}
        assert browser.post("/actions/errand", data=form, headers=csrf(browser)).status_code == 204
        assert "waiting</span>" in browser.get("/monitoring?part=live").text
        run(world, settings)
        told = browser.get("/monitoring?part=live").text

    (check,) = rows(world, checks)
    assert "done</span>" in told
    assert f'href="/reports/{check.check_id}"' in told


def test_without_a_champion_it_says_so(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, database_url=f"sqlite:///{tmp_path}/empty.db")
    engine = migrated_engine(settings.database_url)
    with write_transaction(engine) as connection:
        ask(connection, "check", actor="somebody", reason="to see", now=utc_now())
    check_if_asked(engine, settings, threading.Event(), Alerts([]))

    with engine.connect() as connection:
        errand = connection.execute(select(errands)).one()
    engine.dispose()
    assert (errand.state, errand.told[:16]) == ("failed", "no champion yet;")


def test_what_nobody_expected_ends_it_too(world: World, settings: Settings, tmp_path: Path) -> None:
    asked(world, "check")
    broken = settings.model_copy(update={"params_file": tmp_path})
    with pytest.raises(IsADirectoryError):
        run(world, broken)

    (errand,) = rows(world, errands)
    assert (errand.state, errand.told) == (
        "failed", "IsADirectoryError; the log of monitoring has it",
    )  # fmt: skip


def _die(settings: Settings) -> None:
    """A scheduler is killed the moment that the check has been recorded."""
    command = ["tests.monitoring.killed", "monitoring.recorded.record", "return", "errand"]
    environment = {**os.environ, **as_environment(settings)}
    done = subprocess.run([sys.executable, "-m", *command], env=environment, timeout=120)
    assert done.returncode == -signal.SIGKILL


def _let_expire(world: World) -> None:
    with write_transaction(world.engine) as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        connection.execute(update(leases).values(expires_at=past))


def test_a_scheduler_that_dies_leaves_nothing_running(world: World, settings: Settings) -> None:
    asked(world, "check")
    _die(settings)
    (left,) = rows(world, errands)
    assert left.state == "running"
    run(world, settings)  # it may still live: its lease has not run out
    assert rows(world, errands)[0].state == "running"

    _let_expire(world)
    run(world, settings)
    (errand,) = rows(world, errands)
    assert (errand.state, errand.told) == ("failed", DIED)
    assert len(rows(world, checks)) == 1  # which the dead one had recorded

    asked(world, "check")
    run(world, settings)
    assert [row.state for row in rows(world, errands)] == ["failed", "done"]


def test_who_asks_anew_buries_the_dead_where_no_scheduler_does(
    world: World, settings: Settings
) -> None:
    asked(world, "check")
    _die(settings)
    with pytest.raises(OpenErrandError, match="running already"):
        asked(world, "check")
    _let_expire(world)
    asked(world, "check")

    assert [row.state for row in rows(world, errands)] == ["failed", "waiting"]


def test_two_schedulers_run_it_once(world: World, settings: Settings) -> None:
    asked(world, "check")
    both = [threading.Thread(target=run, args=(world, settings)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()

    assert len(rows(world, checks)) == 1
    assert [row.state for row in rows(world, errands)] == ["done"]
