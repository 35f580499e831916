"""Old versions lose their files when nothing refers to them; their rows stay and say so."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, insert, select

from contracts.bundle import Bundle, load_bundle, save_bundle
from contracts.database import write_transaction
from contracts.lineage import RETIRED, facts_of
from contracts.registry import (
    UnknownVersionError,
    family,
    promote,
    register,
    roll_back,
    versions,
)
from contracts.stages import champions
from contracts.tables import audit_log, predictions, retrains
from contracts.traffic import Rule, append_rule
from monitoring.bundles import GoneError, load_again, remove_old_bundles
from monitoring.recalibrate import save_recalibrated
from monitoring.why import describe, find_reasons
from tests.migrated import migrated_engine
from tests.task_bundles import make_task_bundle

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=200)
DAYS = 90


@dataclass
class Shelf:
    """Versions on disk and in the registry, registered long ago."""

    engine: Engine
    bundles: Path
    tmp: Path
    number: int = field(default=0)

    def trained(self, onto: Bundle, at: datetime = LONG_AGO, **made: Any) -> str:
        """Another bundle with the same model."""
        self.number += 1
        source = self.tmp / f"trained {self.number}"
        facts = {name: onto.manifest[name] for name in ("trained_from", "trained_until")}
        save_bundle(source, dict(onto.files), {**facts, "number": self.number})
        return register(self.engine, self.bundles, source, at, made)

    def recalibrated(self, base: str, by: float, at: datetime = LONG_AGO) -> str:
        source = self.tmp / f"recalibrated {base} {by}"
        save_recalibrated(load_bundle(self.bundles / base), (-by, by), source)
        return register(self.engine, self.bundles, source, at, {})

    def promote(self, *names: str) -> None:
        with write_transaction(self.engine) as connection:
            for name in names:
                promote(connection, name, actor="test", reason="", now=NOW)

    def answer(self, version: str, name: str = "p1") -> None:
        bundle = load_bundle(self.bundles / version)
        row = bundle.schema.example()
        chance = float(bundle.model().answers_of({k: [v] for k, v in row.items()})[0, 1])
        logged = {"prediction_id": name, "predicted_at": NOW, "event_time": NOW,
                  "model_version": version, "features": json.dumps(row), "prediction": '"no"',
                  "probability": chance}  # fmt: skip
        with write_transaction(self.engine) as connection:
            connection.execute(insert(predictions).values(logged))

    def clear(self, now: datetime = NOW) -> list[str]:
        return remove_old_bundles(self.engine, self.bundles, DAYS, now)

    def left(self) -> set[str]:
        return {path.name for path in self.bundles.iterdir()}


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_task_bundle(tmp_path_factory.mktemp("shelf") / "model", "binary")


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    engine = migrated_engine(f"sqlite:///{tmp_path}/perennial.db")
    yield Shelf(engine, tmp_path / "bundles", tmp_path)
    engine.dispose()


def test_of_many_recalibrations_the_newest_stay(shelf: Shelf, model: Bundle) -> None:
    base = shelf.trained(model)
    many = [shelf.recalibrated(base, by / 10) for by in range(1, 9)]
    shelf.promote(base, *many)
    removed = shelf.clear()

    assert set(removed) == set(many[:3])  # five reigns stay to return to
    assert shelf.left() == {base, *many[3:]}
    with shelf.engine.connect() as connection:
        rows = {row.version for row in versions(connection)}
        facts = facts_of(connection, many[0])
        told = connection.execute(select(audit_log.c.subject, audit_log.c.action)).all()
        assert family(connection, base)[many[0]] == (-0.1, 0.1)  # its answers are still understood
    assert rows == {base, *many}
    assert facts[RETIRED]["why"] == "older than 90 days, and nothing refers to it"
    assert (many[0], "bundle removed") in [tuple(row) for row in told]


def test_young_ones_stay_and_nothing_goes_unless_asked(shelf: Shelf, model: Bundle) -> None:
    shelf.trained(model, NOW - timedelta(days=DAYS - 1))
    base = shelf.trained(model)

    assert remove_old_bundles(shelf.engine, shelf.bundles, None, NOW) == []
    assert shelf.clear() == [base]
    assert shelf.clear() == []


def test_the_model_behind_a_champion_stays(shelf: Shelf, model: Bundle) -> None:
    base = shelf.trained(model)
    shelf.promote(shelf.recalibrated(base, 0.5))

    assert shelf.clear() == []


def test_the_other_side_of_divided_traffic_stays_with_its_model(
    shelf: Shelf, model: Bundle
) -> None:
    shelf.promote(shelf.trained(model))
    other = shelf.recalibrated(shelf.trained(model), 0.5)
    with write_transaction(shelf.engine) as connection:
        rule = Rule("canary", other, 0.1)
        append_rule(connection, rule, actor="test", reason="", now=NOW)

    assert shelf.clear() == []


def test_both_sides_of_a_probation_and_of_a_retrain_that_runs_stay(
    shelf: Shelf, model: Bundle
) -> None:
    names = [shelf.trained(model) for _ in range(4)]
    rows = [
        {"retrain_id": state, "started_at": NOW, "finished_at": NOW, "state": state, "reason": "",
         "champion_version": old, "challenger_version": new, "verdict": "{}"}
        for state, old, new in (("promoted", *names[:2]), ("trained", *names[2:]))
    ]  # fmt: skip
    with write_transaction(shelf.engine) as connection:
        connection.execute(insert(retrains), rows)

    assert shelf.clear() == []


def test_where_a_rollback_past_a_model_ends_stays(shelf: Shelf, model: Bundle) -> None:
    old, new = shelf.trained(model), shelf.trained(model)
    last = shelf.recalibrated(old, 0.5)
    shelf.promote(old, shelf.recalibrated(old, 0.1), last, new)
    shelf.promote(*(shelf.recalibrated(new, by / 10) for by in range(1, 9)))
    shelf.clear()

    assert {old, new, last} <= shelf.left()
    with write_transaction(shelf.engine) as connection:
        while champions(connection)[0] in family(connection, new):
            roll_back(connection, actor="test", reason="", now=NOW)
        assert champions(connection)[0] == last


def test_a_rollback_passes_over_what_is_gone(shelf: Shelf, model: Bundle) -> None:
    base = shelf.trained(model)
    many = [shelf.recalibrated(base, by / 10) for by in range(1, 9)]
    shelf.promote(base, *many)
    shelf.clear()
    seen = []
    with write_transaction(shelf.engine) as connection:
        for _ in range(5):
            seen.append(roll_back(connection, actor="test", reason="", now=NOW))

    assert seen == [*many[3:-1][::-1], base]


def test_what_has_answered_is_kept_as_a_model_and_answers_again(
    shelf: Shelf, model: Bundle
) -> None:
    base = shelf.trained(model)
    moved = shelf.recalibrated(base, 0.3)
    shelf.answer(moved)
    shelf.promote(shelf.trained(model))

    assert shelf.clear() == [moved]
    with shelf.engine.connect() as connection:
        bundle, _ = load_again(connection, shelf.bundles, moved)
        reasons = find_reasons(connection, shelf.bundles, "p1")
    assert (bundle.version, bundle.schema.target.offsets) == (moved, (-0.3, 0.3))
    assert reasons.same
    told = "\n".join(describe(reasons))
    assert f"every file verified, made again from {base}" in told
    assert told.endswith(": the same")


def test_why_says_in_a_sentence_what_cannot_be_answered_again(shelf: Shelf, model: Bundle) -> None:
    gone = shelf.trained(model, commit="abc123")
    shelf.answer(gone)
    with write_transaction(shelf.engine) as connection:
        connection.execute(predictions.update().values(model_version="another"))
    shelf.clear()
    with write_transaction(shelf.engine) as connection:
        connection.execute(predictions.update().values(model_version=gone))
    with shelf.engine.connect() as connection:
        reasons = find_reasons(connection, shelf.bundles, "p1")
        with pytest.raises(GoneError):
            load_again(connection, shelf.bundles, gone)

    assert not reasons.same
    told = list(describe(reasons))
    assert f"version {gone}" in told
    assert told[-1] == (
        f"answered again     it cannot be: the files of version {gone} were removed on "
        "2026-03-01: older than 90 days, and nothing refers to it; commit abc123 and "
        "`dvc checkout` bring them back"
    )


def test_what_is_gone_cannot_be_promoted_until_it_is_registered_again(
    shelf: Shelf, model: Bundle
) -> None:
    base = shelf.trained(model)
    shelf.promote(base)
    moved = shelf.recalibrated(base, 0.3)
    assert shelf.clear() == [moved]

    with pytest.raises(UnknownVersionError, match=f"its model is version {base}, which can be"):
        shelf.promote(moved)
    assert shelf.recalibrated(base, 0.3, NOW) == moved
    shelf.promote(moved)
    assert np.isfinite(load_bundle(shelf.bundles / moved).schema.target.offsets).all()
