"""What the replay gate says of two processes that are asked the same rows."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine

from contracts.bundle import load_bundle
from contracts.replay_params import Replay
from contracts.schema import Feature, FeatureSchema
from contracts.settings import Settings
from deploy.replaying.compare import Compared, IncomparableError, Side, compare
from deploy.replaying.door import RELAY, Relayed, wait_ready
from deploy.replaying.rows import Snapshot
from deploy.replaying.verdict import Check, judge
from tests.bundles import make_schema
from tests.conftest import MadeBundle, make_key
from tests.deploy.replayed import (
    QUICK,
    CrashError,
    FakeDoor,
    Instance,
    figures_of,
    make_side,
    make_snapshot,
)
from tests.service.servers import serving


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    return make_snapshot(tmp_path / "rows.parquet")


def judged(
    champion: Side, candidate: Side, snapshot: Snapshot, params: Replay = QUICK
) -> tuple[Compared, dict[str, Check]]:
    found = compare(champion, candidate, snapshot, params)
    return found, {check.name: check for check in judge(found, params)}


def failed(checks: dict[str, Check]) -> set[str]:
    return {name for name, check in checks.items() if check.passed is False}


def test_the_same_model_flips_nothing_and_passes(snapshot: Snapshot, bundle_a: MadeBundle) -> None:
    found, checks = judged(make_side(bundle_a.directory), make_side(bundle_a.directory), snapshot)

    assert not failed(checks)
    assert checks["flipped decisions"].seen == "0 of 300, 0.00%"
    assert found.loss is not None
    assert found.loss[0] == 300


def swap_columns(row: Instance) -> Instance:
    return {**row, "hour": row["temp"], "temp": row["hour"]}


def as_float16(row: Instance) -> Instance:
    numbers = {n: float(np.float16(row[n])) for n in ("hour", "temp", "wind") if row[n] is not None}
    return {**row, **numbers}


@pytest.mark.parametrize("fault", [swap_columns, as_float16])
def test_a_fault_of_serving_fails_and_the_row_that_moved_most_is_named(
    snapshot: Snapshot, bundle_a: MadeBundle, fault: Any
) -> None:
    found, checks = judged(
        make_side(bundle_a.directory), make_side(bundle_a.directory, change=fault), snapshot
    )

    model, rows = load_bundle(bundle_a.directory).model(), snapshot.rows
    before, after = (
        model.answers_of({n: [row[n] for row in side] for n in make_schema().names})[:, 1]
        for side in ([r.features for r in rows], [fault(r.features) for r in rows])
    )
    worst = int(np.abs(before - after).argmax())
    assert {"image against its own bundle", "largest shift of a score"} <= failed(checks)
    assert figures_of(found, snapshot)["worst"][0]["row"] == worst
    assert f"row {worst}" in checks["largest shift of a score"].seen
    assert f"row {worst}" in checks["image against its own bundle"].seen


def test_a_fault_of_serving_does_not_hide_behind_a_retrained_model(
    snapshot: Snapshot, bundle_a: MadeBundle, bundle_b: MadeBundle
) -> None:
    _, checks = judged(
        make_side(bundle_a.directory), make_side(bundle_b.directory, change=as_float16), snapshot
    )

    assert failed(checks) == {"image against its own bundle"}


def test_a_retrained_model_passes_within_its_own_limits(
    snapshot: Snapshot, bundle_a: MadeBundle, bundle_b: MadeBundle
) -> None:
    found, checks = judged(make_side(bundle_a.directory), make_side(bundle_b.directory), snapshot)

    assert not found.same_model
    assert not failed(checks)


def no_new_carrier(row: Instance) -> Instance:
    if row["carrier"] == "ZZ":
        raise CrashError("KeyError: 'ZZ'")
    return row


def test_a_row_that_makes_the_candidate_fail_is_named(tmp_path: Path, bundle_a: MadeBundle) -> None:
    snapshot = make_snapshot(tmp_path / "new.parquet", new_category_at=217)
    found, checks = judged(
        make_side(bundle_a.directory),
        make_side(bundle_a.directory, change=no_new_carrier),
        snapshot,
    )

    assert failed(checks) == {"rows that only the candidate fails"}
    [row] = figures_of(found, snapshot)["failed"]
    assert (row["row"], row["features"]["carrier"], row["ended"]) == (217, "ZZ", False)
    assert "KeyError" in row["told"]
    assert found.difference is not None
    assert len(found.difference.rows) == 299


def test_a_row_that_ends_the_process_is_named_and_the_rest_still_asked(
    tmp_path: Path, bundle_a: MadeBundle
) -> None:
    snapshot = make_snapshot(tmp_path / "new.parquet", new_category_at=11)
    candidate = make_side(bundle_a.directory, kills=lambda row: row["carrier"] == "ZZ")
    found, checks = judged(make_side(bundle_a.directory), candidate, snapshot)

    assert failed(checks) == {"rows that only the candidate fails"}
    [row] = figures_of(found, snapshot)["failed"]
    assert (row["row"], row["ended"]) == (11, True)
    assert "Illegal instruction" in row["told"]
    assert isinstance(candidate.door, FakeDoor)
    assert candidate.door.starts == 3  # after the batch, and after the row
    assert len(found.candidate.answers) == 299


def test_a_candidate_that_ends_at_every_row_is_given_up(
    snapshot: Snapshot, bundle_a: MadeBundle
) -> None:
    found, checks = judged(
        make_side(bundle_a.directory),
        make_side(bundle_a.directory, kills=lambda row: True),
        snapshot,
    )

    assert "rows that only the candidate fails" in failed(checks)
    assert len(found.candidate.failures) == 3
    assert found.times is None
    assert checks["latency"].passed is None
    assert "not measured" in checks["latency"].seen


def test_a_batch_that_fails_although_each_row_is_answered_fails(
    snapshot: Snapshot, bundle_a: MadeBundle
) -> None:
    candidate = make_side(bundle_a.directory, refuses=lambda rows: len(rows) > 1)
    _, checks = judged(make_side(bundle_a.directory), candidate, snapshot)

    assert failed(checks) == {"rows that only the candidate fails"}
    assert "row 0 to row 199: HTTP 503" in checks["rows that only the candidate fails"].seen


def test_rows_that_the_champion_cannot_answer_are_not_held_against_the_candidate(
    tmp_path: Path, bundle_a: MadeBundle
) -> None:
    snapshot = make_snapshot(tmp_path / "new.parquet", new_category_at=5)
    sides = (make_side(bundle_a.directory, change=no_new_carrier) for _ in range(2))
    found, checks = judged(*sides, snapshot)

    assert not failed(checks)
    assert figures_of(found, snapshot)["not_answered_by_champion"] == ["row 5"]


def test_a_slow_and_a_large_candidate_fail(snapshot: Snapshot, bundle_a: MadeBundle) -> None:
    candidate = make_side(bundle_a.directory, slow_ms=80, mb=300)
    _, checks = judged(make_side(bundle_a.directory), candidate, snapshot)

    assert failed(checks) == {"latency p50", "latency p99", "peak memory"}


def with_column(side: Side, feature: Feature) -> Side:
    """The same model behind a schema with one more column, which it does not look at."""
    schema = side.bundle.schema
    wider = FeatureSchema((*schema.features, feature), schema.target, schema.timestamp)
    files = {**side.bundle.files, "schema.json": wider.to_json().encode()}
    return Side(side.door, replace(side.bundle, files=files, version="wider"))


def test_columns_that_only_one_model_knows_are_told(
    snapshot: Snapshot, bundle_a: MadeBundle
) -> None:
    narrow, wide = make_side(bundle_a.directory), make_side(bundle_a.directory)
    found = compare(with_column(wide, Feature("seats", "numeric", True)), narrow, snapshot, QUICK)

    figures = figures_of(found, snapshot)
    assert (figures["columns_added"], figures["columns_removed"]) == ([], ["seats"])
    assert figures["compared"] == 300


def test_models_with_other_classes_cannot_be_compared(
    snapshot: Snapshot, bundle_a: MadeBundle
) -> None:
    other = make_side(bundle_a.directory)
    target = replace(other.bundle.schema.target, classes=("early", "late"))
    schema = replace(other.bundle.schema, target=target)
    files = {**other.bundle.files, "schema.json": schema.to_json().encode()}

    with pytest.raises(IncomparableError, match="mean different things"):
        compare(
            make_side(bundle_a.directory),
            Side(other.door, replace(other.bundle, files=files)),
            snapshot,
            QUICK,
        )


def test_a_champion_that_answers_nothing_is_no_measure(
    snapshot: Snapshot, bundle_a: MadeBundle
) -> None:
    silent = make_side(bundle_a.directory, kills=lambda row: True)

    with pytest.raises(IncomparableError, match="answered 0 of 300 rows"):
        compare(silent, make_side(bundle_a.directory), snapshot, QUICK)


def test_real_services_are_asked_through_the_relay(
    snapshot: Snapshot,
    settings: Settings,
    engine: Engine,
    bundle_a: MadeBundle,
    champion: str,
    tmp_path: Path,
) -> None:
    (tmp_path / "key").write_text(make_key(engine, "predict"))
    with serving(settings) as port:
        relay = Relayed([sys.executable, "-u", str(RELAY), str(port), str(tmp_path / "key")])
        try:
            wait_ready(relay, 10)
            door = LocalDoor(relay)
            real = Side(door, load_bundle(bundle_a.directory))
            found, checks = judged(make_side(bundle_a.directory), real, snapshot)
        finally:
            relay.close()

    assert champion == bundle_a.version
    assert found.candidate.versions == {bundle_a.version}
    assert not failed(checks) - {"latency p50", "latency p99"}  # the fake takes a millisecond


class LocalDoor(FakeDoor):
    """A real service behind a relay on this machine; it is not restarted here."""

    def __init__(self, relay: Relayed) -> None:
        self._relay, self.mb = relay, 100.0
        self.ask = relay.ask  # type: ignore[method-assign]
