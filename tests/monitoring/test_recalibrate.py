"""A recalibration is the champion's model with offsets: registered, promoted, reversible."""

import json
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import delete, insert

from contracts.bundle import RECALIBRATES, load_bundle
from contracts.database import write_transaction
from contracts.monitoring_params import Recalibrate
from contracts.params import Params, Task
from contracts.recalibration import shift
from contracts.registry import champion, family, register, roll_back
from contracts.settings import Settings
from contracts.tables import checks
from contracts.traffic import Rule
from contracts.traffic_rules import change_traffic, check_traffic
from monitoring import decisions, leases
from monitoring.attempts import LEASE
from monitoring.check import run_check
from monitoring.quality import Fault
from monitoring.recalibrate import Recalibration, run_recalibration, save_recalibrated
from monitoring.recalibration import as_trained
from monitoring.windows import read_rows
from pipeline.export import export
from pipeline.formats import FormatError
from tests.monitoring.conftest import FEBRUARY, World
from tests.task_bundles import CLASSES, make_rows, make_task_bundle

NOW = FEBRUARY + timedelta(days=10, hours=6)
PARAMS = Recalibrate(min_rows=200, ridge=20)


@pytest.fixture
def late(world: World, february: pd.DataFrame) -> World:
    """Ten days on which half of the flights come late, which is more than in January."""
    days = february[february.event_time < NOW]
    late = np.random.default_rng(0).random(len(days)) < 0.5
    world.answer(days.assign(late=late.astype(float)))
    return world


def _run(world: World, **values: bool) -> Recalibration:
    settings = Settings(_env_file=None, bundles_dir=world.bundles)
    return run_recalibration(world.engine, settings, PARAMS, NOW, **values)


def _champion(world: World) -> str:
    with world.engine.connect() as connection:
        current = champion(connection)
    assert current is not None
    return current.version


def test_newer_outcomes_move_the_answers(late: World, february: pd.DataFrame) -> None:
    found = _run(late)
    recalibrated = load_bundle(late.bundles / found.version)
    before = late.bundle.model().answers_of(february)[:, 1]
    after = recalibrated.model().answers_of(february)[:, 1]

    assert found.changed
    assert _champion(late) == found.version != late.bundle.version
    assert recalibrated.manifest[RECALIBRATES] == late.bundle.version
    assert recalibrated.manifest["trained_until"] == late.bundle.manifest["trained_until"]
    assert (after > before).all()
    assert abs(after.mean() - 0.5) < abs(before.mean() - 0.5)


def test_the_second_one_starts_from_the_same_model(late: World) -> None:
    first, second = _run(late), _run(late)
    with late.engine.connect() as connection:
        versions = family(connection, late.bundle.version)

    with late.engine.connect() as connection:
        rows = decisions.newest(connection, 5)

    assert not second.changed  # the same outcomes ask for the same offsets
    assert sorted(row.answer for row in rows) == ["no", "yes"]
    assert {row.action for row in rows} == {"recalibrate"}
    assert second.version == first.version
    offsets = load_bundle(late.bundles / first.version).schema.target.offsets
    assert versions == {late.bundle.version: (), first.version: offsets}


def test_a_rollback_takes_it_back(late: World) -> None:
    _run(late)
    with write_transaction(late.engine) as connection:
        roll_back(connection, actor="test", reason="test", now=NOW)

    assert _champion(late) == late.bundle.version


def test_answers_of_every_offset_are_told_as_the_model_gives_them(
    late: World, february: pd.DataFrame
) -> None:
    bundle = load_bundle(late.bundles / _run(late).version)
    newer = february[february.event_time >= NOW].head(500)
    replace(late, bundle=bundle).answer(newer)
    with late.engine.connect() as connection:
        rows = read_rows(connection, bundle.schema, FEBRUARY, NOW + timedelta(days=9), 10_000)
        offsets = family(connection, bundle.version)
    told = as_trained(rows, bundle.schema, offsets)[bundle.schema.answers].to_numpy()

    assert len(told) > 2000
    assert np.allclose(told, late.bundle.model().answers_of(rows), atol=1e-5)
    assert not np.allclose(rows[bundle.schema.answers], told, atol=1e-2)


def test_a_dry_run_changes_nothing(late: World) -> None:
    found = _run(late, dry=True)

    assert "offsets" in found.reason
    assert not found.changed
    assert _champion(late) == late.bundle.version
    assert len(list(late.bundles.iterdir())) == 1


def _note_fault(world: World, share: float, until: datetime) -> None:
    """A check of the days before `until` found so many rows missing."""
    fault = Fault("temp", "missing", share, 0.0)
    findings = {"inputs": {"state": "alarm", "reasons": [str(fault)], "faults": [asdict(fault)]}}
    row = {"check_id": "1", "checked_at": until, "window_from": FEBRUARY, "window_to": until,
           "rows": 1, "model_version": world.bundle.version, "outcomes": 0, "decision": "keep",
           "reason": "", "findings": json.dumps(findings)}  # fmt: skip
    with write_transaction(world.engine) as connection:
        connection.execute(insert(checks).values(row))


def test_faults_of_the_data_are_never_learned(late: World) -> None:
    _note_fault(late, 0.2, NOW)
    found = _run(late)

    assert not found.changed
    assert found.reason.startswith("the data has faults, nothing is learned: temp: 20.0% of")


def test_a_fault_of_a_few_rows_moves_no_offset_and_stops_none(late: World) -> None:
    _note_fault(late, 0.02, NOW)

    assert _run(late).changed


def test_a_check_says_nothing_of_rows_that_came_after_its_window(late: World) -> None:
    learned = timedelta(days=PARAMS.days, hours=PARAMS.mature_hours)
    _note_fault(late, 0.2, NOW - learned + timedelta(hours=1))
    assert not _run(late).changed
    with write_transaction(late.engine) as connection:
        connection.execute(delete(checks))
    _note_fault(late, 0.2, NOW - learned)

    assert _run(late).changed


def test_divided_traffic_is_not_disturbed(late: World, tmp_path: Path) -> None:
    other = save_recalibrated(late.bundle, (0.1, -0.1), tmp_path / "other")
    register(late.engine, late.bundles, tmp_path / "other", NOW, {})
    with write_transaction(late.engine) as connection:
        rule = check_traffic(connection, late.bundles, Rule("canary", other, 0.1))
        change_traffic(connection, rule, actor="test", reason="", now=NOW)

    assert "traffic is divided (canary)" in _run(late).reason


def test_a_running_retrain_is_not_disturbed(late: World) -> None:
    with write_transaction(late.engine) as connection:
        leases.take(connection, LEASE, "another", leases.utc_now(), leases.LENGTH)

    assert "already running at another" in _run(late).reason
    assert _champion(late) == late.bundle.version


def test_without_outcomes_nothing_changes(world: World) -> None:
    assert "only 0 mature outcomes" in _run(world).reason


@pytest.mark.parametrize("task", CLASSES)
@pytest.mark.parametrize("onnx", [True, False])
def test_every_task_is_served_with_its_offsets(tmp_path: Path, task: Task, onnx: bool) -> None:
    base = make_task_bundle(tmp_path / "base", task, onnx=onnx)
    offsets = {"binary": (-0.3, 0.3), "multiclass": (0.2, 0.0, -0.4), "regression": (1.5,)}[task]
    save_recalibrated(base, offsets, tmp_path / "other")
    other, rows = load_bundle(tmp_path / "other"), make_rows(base.schema)
    expected = shift(task, base.model().answers_of(rows), offsets)

    assert np.array_equal(other.model().answers_of(rows), expected, equal_nan=True)
    assert np.allclose(other.skops_model().answers_of(rows), expected, atol=1e-4, equal_nan=True)


def test_other_formats_are_refused_and_the_model_is_named(tmp_path: Path) -> None:
    base = make_task_bundle(tmp_path / "base", "binary")
    save_recalibrated(base, (0.1, -0.1), tmp_path / "other")

    with pytest.raises(FormatError, match=f"export its model: --version {base.version}"):
        export(load_bundle(tmp_path / "other"), "onnx", tmp_path / "model.onnx")


def test_checks_judge_the_model_over_its_recalibrations(
    late: World, february: pd.DataFrame, params: Params
) -> None:
    bundle = load_bundle(late.bundles / _run(late).version)
    newer = february[february.event_time >= NOW].head(500)
    replace(late, bundle=bundle).answer(newer)
    policy = params.monitoring.policy.model_copy(update={"min_rows": 100_000})  # no report
    monitoring = params.monitoring.model_copy(update={"policy": policy})
    later = NOW + timedelta(days=10)
    check = run_check(late.engine, late.bundles, late.reports, monitoring, later)

    older = february[february.event_time < NOW]
    assert check.performance.rows == len(older) + newer.late.notna().sum()
