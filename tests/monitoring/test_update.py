"""An update passes the governor, the lease and the gate of a retrain, or says why it does not."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sqlalchemy import Row, insert, select

from contracts.audit import record
from contracts.bundle import OFFSETS, RECALIBRATES, UPDATES, load_bundle
from contracts.database import write_transaction
from contracts.monitoring_params import Monitoring
from contracts.params import Params, load_params
from contracts.registry import champion, family, promote, register
from contracts.schema import FeatureSchema
from contracts.settings import Settings
from contracts.subject import Subject
from contracts.tables import checks, retrains
from monitoring import decisions, jobs
from monitoring.alerts import Alerts
from monitoring.attempts import LEASE, RefusedError, begin
from monitoring.erasure import BEGAN, wanted_retrain
from monitoring.governor import Trigger
from monitoring.history import read_history
from monitoring.leases import LENGTH, release, take, utc_now
from monitoring.probation import run_probation
from monitoring.quality import Fault
from monitoring.recalibrate import save_recalibrated
from monitoring.retrain import Outcome
from monitoring.triggers import of_person, of_update_schedule
from monitoring.update import run_update
from monitoring.whereabouts import look_for
from monitoring.why import describe, find_reasons
from pipeline.search import Chosen
from tests.monitoring.conftest import FEBRUARY, World, make_world, train_bundle

APRIL = FEBRUARY + timedelta(days=59)
SGD = Chosen("sgd", {"alpha": 0.0001}, -0.5, "sigmoid")


@pytest.fixture(scope="session")
def trained_sgd(
    tmp_path_factory: pytest.TempPathFactory,
    january: pd.DataFrame,
    schema: FeatureSchema,
    params: Params,
) -> Path:
    directory = tmp_path_factory.mktemp("trained sgd") / "bundle"
    return train_bundle(directory, SGD, january, schema, params)


@pytest.fixture
def online(tmp_path: Path, trained_sgd: Path) -> Iterator[World]:
    """A champion that can go on learning."""
    yield from make_world(tmp_path, trained_sgd)


@pytest.fixture(scope="session")
def spring(year: pd.DataFrame) -> pd.DataFrame:
    """Every tenth flight of February and March: about 5,000 rows."""
    inside = (year.event_time >= FEBRUARY) & (year.event_time < APRIL)
    return year[inside & year.late.notna()].iloc[::10].reset_index(drop=True)


def _settings(world: World, tmp_path: Path, project: Path | None = None) -> Settings:
    return Settings(
        _env_file=None,
        database_url=str(world.engine.url),
        bundles_dir=world.bundles,
        reports_dir=world.reports,
        work_dir=tmp_path / "work",
        spool_dir=tmp_path / "spool",
        project_dir=project or tmp_path / "no repository",
    )


def _update(
    world: World, params: Params, settings: Settings, trigger: Trigger | None = None
) -> Outcome:
    asked = trigger or of_person("a test", APRIL)
    return run_update(world.engine, settings, params, lambda: APRIL, asked)


def _refused(world: World, params: Params, tmp_path: Path, trigger: Trigger | None = None) -> str:
    """Why nothing was begun, which must also stand in `decisions`."""
    with pytest.raises(RefusedError) as refused:
        _update(world, params, _settings(world, tmp_path), trigger)
    row = _decision(world)
    assert (row.action, row.answer, row.retrain_id) == ("update", "no", None)
    assert row.reason == str(refused.value)
    assert _retrains(world) == []
    return str(refused.value)


def _decision(world: World) -> Row[Any]:
    with world.engine.connect() as connection:
        return decisions.newest(connection, 1)[0]


def _retrains(world: World) -> list[Row[Any]]:
    with world.engine.connect() as connection:
        return list(connection.execute(select(retrains).order_by(retrains.c.started_at)))


def test_a_model_without_partial_fit_is_named_with_the_remedy(
    world: World, params: Params, tmp_path: Path, spring: pd.DataFrame
) -> None:
    world.answer(spring)
    why = _refused(world, params, tmp_path)

    assert why.startswith("the champion's model is a LogisticRegression, which has no partial_fit")
    assert "`sgd` among train.candidates" in why


def test_without_new_outcomes_there_is_nothing_to_learn(
    online: World, params: Params, tmp_path: Path, spring: pd.DataFrame
) -> None:
    online.answer(spring[spring.event_time >= "2013-03-05"])  # all of it is held back
    why = _refused(online, params, tmp_path)

    assert why == (
        "nothing new to learn: the champion has learned until 2013-01-31, and outcomes from "
        "2013-03-03 on are held back to judge by"
    )


def test_it_waits_while_a_retrain_runs(
    online: World, params: Params, tmp_path: Path, spring: pd.DataFrame
) -> None:
    online.answer(spring)
    with write_transaction(online.engine) as connection:
        take(connection, "retrain", "elsewhere", utc_now(), LENGTH)

    assert "already running at elsewhere" in _refused(online, params, tmp_path)


def test_its_schedule_waits_for_enough_outcomes(
    online: World, params: Params, tmp_path: Path, spring: pd.DataFrame
) -> None:
    online.answer(spring.head(100))
    why = _refused(online, params, tmp_path, of_update_schedule(APRIL))

    assert why.startswith("only 100 new outcomes have come")
    assert _decision(online).trigger == "update"


def test_faults_of_the_data_are_never_learned(
    online: World, params: Params, tmp_path: Path, spring: pd.DataFrame
) -> None:
    online.answer(spring)
    fault = Fault("temp", "missing", 0.02, 0.0)  # a model can learn from few rows
    inputs = {"state": "alarm", "reasons": [str(fault)], "faults": [asdict(fault)]}
    row = {"check_id": "1", "checked_at": APRIL, "window_from": FEBRUARY, "window_to": APRIL,
           "model_version": online.bundle.version, "outcomes": 0, "decision": "keep", "reason": "",
           "rows": 1, "findings": json.dumps({"inputs": inputs})}  # fmt: skip
    with write_transaction(online.engine) as connection:
        connection.execute(insert(checks).values(row))

    assert "temp: 2.0% of the values are missing" in _refused(online, params, tmp_path)


def test_what_is_to_be_forgotten_is_not_handed_on(
    online: World, params: Params, tmp_path: Path, spring: pd.DataFrame
) -> None:
    online.answer(spring)
    with write_transaction(online.engine) as connection:
        record(connection, actor="test", action=BEGAN, subject="x", detail={"retrain": True},
               now=APRIL)  # fmt: skip

    assert _refused(online, params, tmp_path).startswith("a retrain is owed, asked by the erasure")


def test_an_update_is_no_answer_to_an_erasure(online: World, params: Params) -> None:
    with write_transaction(online.engine) as connection:
        record(connection, actor="test", action=BEGAN, subject="x", detail={"retrain": True},
               now=FEBRUARY)  # fmt: skip
    _begin(online, params, "update", "promoted")
    with online.engine.connect() as connection:
        assert wanted_retrain(connection) is not None
    _begin(online, params, "retrain", "promoted")
    with online.engine.connect() as connection:
        assert wanted_retrain(connection) is None


def test_updates_and_retrains_each_have_their_own_history(online: World, params: Params) -> None:
    _begin(online, params, "update", "rejected")
    with online.engine.connect() as connection:
        updates = read_history(connection, APRIL, action="update")
        others = read_history(connection, APRIL)

    assert (len(updates.attempts), updates.fruitless) == (1, 1)
    assert others.attempts == ()


def test_a_project_that_is_broken_fails_with_its_reason(
    online: World, params: Params, tmp_path: Path, spring: pd.DataFrame
) -> None:
    online.answer(spring)
    outcome = _update(online, params, _settings(online, tmp_path))

    assert outcome.state == "failed"
    assert "git clone" in outcome.reason
    assert (_decision(online).action, _decision(online).answer) == ("update", "yes")


@pytest.mark.parametrize("scheduled", [True, False])
def test_the_scheduler_asks_only_where_params_say_so(
    world: World, tmp_path: Path, scheduled: bool
) -> None:
    shipped = yaml.safe_load(Path("params.yaml").read_text())
    shipped["monitoring"] |= {"update": {}} if scheduled else {}
    file = tmp_path / "params.yaml"
    file.write_text(yaml.safe_dump(shipped))
    settings = _settings(world, tmp_path).model_copy(update={"params_file": file})
    jobs.update(world.engine, settings, Event(), Alerts([]))

    with world.engine.connect() as connection:
        asked = [(row.trigger, row.answer) for row in decisions.newest(connection, 5)]
    assert asked == ([("update", "no")] if scheduled else [])


def test_what_could_never_pass_is_refused_by_params(params: Params) -> None:
    shipped = params.monitoring.model_dump()
    with pytest.raises(ValueError, match=r"update\.judged_days 7 is less than gate\.min_days 14"):
        Monitoring.model_validate({**shipped, "update": {"judged_days": 7}})


def _begin(world: World, params: Params, action: str, state: str) -> None:
    """An attempt that has ended."""
    trigger, wall = of_person("a test", APRIL), utc_now()
    policy, version = params.monitoring.policy, world.bundle.version
    ticket = begin(world.engine, trigger, policy, version, now=APRIL, wall=wall, action=action)
    with write_transaction(world.engine) as connection:
        ended = {"state": state, "finished_at": APRIL}
        mine = retrains.c.retrain_id == ticket.retrain_id
        connection.execute(retrains.update().where(mine).values(ended))
        release(connection, LEASE, ticket.token)


@pytest.mark.slow
def test_a_real_update_is_gated_promoted_explained_and_told(
    online: World, year: pd.DataFrame, tmp_path: Path, spring: pd.DataFrame
) -> None:
    ids = online.answer(spring)
    params = load_params(Path("params.yaml"))
    settings = _settings(online, tmp_path, _project(tmp_path))
    outcome = _update(online, params, settings)

    assert outcome.state == "promoted", outcome.reason
    row, bundle = _retrains(online)[-1], load_bundle(online.bundles / str(outcome.challenger))
    verdict = json.loads(row.verdict)
    assert verdict["challenger_loss"] <= verdict["champion_loss"]  # a gain, on real flights
    assert verdict["days"] >= 27
    assert bundle.manifest[UPDATES] == online.bundle.version
    assert bundle.manifest["trained_until"] < "2013-03-04"
    with online.engine.connect() as connection:
        current = champion(connection)
        assert current is not None
        assert current.version == bundle.version
        assert family(connection, bundle.version) == {bundle.version: ()}
    shown = subprocess.run(
        ["git", "show", "--stat", "--format=%s", f"refs/retrains/{outcome.retrain_id}"],
        cwd=settings.project_dir, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert shown.startswith(f"Update {outcome.retrain_id}")
    assert "data/updates/" in shown

    # What came of it is explained, known to erasures, watched, and goes on from there.
    later = year[(year.event_time >= APRIL) & year.late.notna()].iloc[::10].head(2000)
    asked = replace(online, bundle=bundle).answer(later)
    with online.engine.connect() as connection:
        reasons = find_reasons(connection, online.bundles, asked[0])
    assert reasons.same
    assert f"updated from     {online.bundle.version}, with" in "\n".join(describe(reasons))
    found = look_for(online.engine, settings, Subject(ids=frozenset(ids[:1])))
    assert bundle.version in found.learned
    probation = run_probation(
        online.engine, online.bundles, params.monitoring, APRIL + timedelta(days=20)
    )
    assert probation is not None
    assert "the champion" in probation.reason
    with pytest.raises(RefusedError, match="nothing new to learn"):
        _update(online, params, settings)


@pytest.mark.slow
def test_a_recalibrated_champion_is_updated_as_it_was_trained(
    online: World, tmp_path: Path, spring: pd.DataFrame
) -> None:
    online.answer(spring)
    source = tmp_path / "recalibrated"
    version = save_recalibrated(online.bundle, (-0.1, 0.1), source)
    made = {RECALIBRATES: online.bundle.version, OFFSETS: (-0.1, 0.1)}
    register(online.engine, online.bundles, source, FEBRUARY, made)
    with write_transaction(online.engine) as connection:
        promote(connection, version, actor="test", reason="", now=FEBRUARY)
    params = load_params(Path("params.yaml"))
    outcome = _update(online, params, _settings(online, tmp_path, _project(tmp_path)))

    bundle = load_bundle(online.bundles / str(outcome.challenger))
    assert bundle.manifest[UPDATES] == online.bundle.version
    assert RECALIBRATES not in bundle.manifest
    assert bundle.schema.target.offsets == ()


@pytest.mark.slow
def test_poisoned_outcomes_do_not_pass(online: World, tmp_path: Path, spring: pd.DataFrame) -> None:
    early = spring.event_time < "2013-03-03"
    flipped = spring.assign(late=np.where(early, 1 - spring.late, spring.late))
    online.answer(flipped)
    params = load_params(Path("params.yaml"))
    outcome = _update(online, params, _settings(online, tmp_path, _project(tmp_path)))

    assert outcome.state == "rejected", outcome.reason
    with online.engine.connect() as connection:
        current = champion(connection)
    assert current is not None
    assert current.version == online.bundle.version


def _project(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    subprocess.run(["git", "clone", "--quiet", ".", str(project)], check=True)
    return project
