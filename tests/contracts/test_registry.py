"""Who is champion is a matter of record, and every promotion can be taken back."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select

from contracts.database import write_transaction
from contracts.registry import (
    NothingToRollBackError,
    UnknownVersionError,
    champion,
    promote,
    register,
    roll_back,
    versions,
)
from contracts.tables import AWAITING, retrains, stage_changes
from tests.contracts.test_bundle import CONTENT, FACTS, save_bundle
from tests.migrated import migrated_engine

NOW = datetime(2013, 4, 1, tzinfo=UTC)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = migrated_engine(f"sqlite:///{tmp_path}/perennial.db")
    yield engine
    engine.dispose()


@pytest.fixture
def registered(engine: Engine, tmp_path: Path) -> list[str]:
    """Three versions, oldest first."""
    found = []
    for i in range(3):
        source = tmp_path / f"bundle{i}"
        content = {**CONTENT, "metrics.json": b'{"roc_auc": 0.7}', "model_card.md": b"%d" % i}
        save_bundle(source, content, FACTS)
        now = NOW + timedelta(days=i)
        found.append(register(engine, tmp_path / "bundles", source, now, {"host": "here"}))
    return found


def _promote(engine: Engine, version: str) -> None:
    with write_transaction(engine) as connection:
        promote(connection, version, actor="test", reason="because", now=NOW)


def _roll_back(engine: Engine) -> str:
    with write_transaction(engine) as connection:
        return roll_back(connection, actor="test", reason="because", now=NOW)


def _champion(engine: Engine) -> str | None:
    with engine.connect() as connection:
        current = champion(connection)
        return current.version if current else None


def test_nobody_is_champion_before_the_first_promotion(
    engine: Engine, registered: list[str]
) -> None:
    assert _champion(engine) is None


def test_registering_again_changes_nothing(
    engine: Engine, registered: list[str], tmp_path: Path
) -> None:
    register(engine, tmp_path / "bundles", tmp_path / "bundle0", NOW + timedelta(days=9), {})

    with engine.connect() as connection:
        rows = versions(connection)
    assert [row.version for row in rows] == registered[::-1]
    assert rows[-1].registered_at == NOW


def test_rollback_returns_to_the_champion_before(engine: Engine, registered: list[str]) -> None:
    for version in registered:
        _promote(engine, version)

    assert _roll_back(engine) == registered[1]
    assert _champion(engine) == registered[1]


def test_second_rollback_goes_two_back(engine: Engine, registered: list[str]) -> None:
    for version in registered:
        _promote(engine, version)

    assert [_roll_back(engine) for _ in range(2)] == [registered[1], registered[0]]
    with pytest.raises(NothingToRollBackError):
        _roll_back(engine)


def test_first_champion_cannot_be_rolled_back(engine: Engine, registered: list[str]) -> None:
    _promote(engine, registered[0])

    with pytest.raises(NothingToRollBackError, match="nothing to return to"):
        _roll_back(engine)
    assert _champion(engine) == registered[0]


def test_promoting_the_champion_again_leaves_no_trace(
    engine: Engine, registered: list[str]
) -> None:
    _promote(engine, registered[0])
    _promote(engine, registered[0])

    with engine.connect() as connection:
        assert len(connection.execute(select(stage_changes)).all()) == 1


def test_retrain_that_waits_for_a_person_ends_with_the_promotion(
    engine: Engine, registered: list[str]
) -> None:
    rows = [
        {"retrain_id": name, "started_at": NOW, "finished_at": NOW, "state": state, "reason": "",
         "champion_version": registered[0], "challenger_version": version, "verdict": "{}"}
        for name, state, version in (("waits", AWAITING, registered[1]),
                                     ("refused", "rejected", registered[1]),
                                     ("other", AWAITING, registered[2]))
    ]  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(retrains), rows)
    later = NOW + timedelta(days=3)
    with write_transaction(engine) as connection:
        promote(connection, registered[1], actor="she", reason="looks good", now=later)

    with engine.connect() as connection:
        found = {row.retrain_id: row for row in connection.execute(select(retrains))}
    states = {name: row.state for name, row in found.items()}
    assert states == {"waits": "promoted", "refused": "rejected", "other": AWAITING}
    assert found["waits"].finished_at == later, "its probation begins now"


def test_unknown_version_is_named(engine: Engine) -> None:
    with pytest.raises(UnknownVersionError, match="no version 'abc'"):
        _promote(engine, "abc")


def test_history_tells_who_and_why(engine: Engine, registered: list[str]) -> None:
    _promote(engine, registered[0])
    _promote(engine, registered[1])
    _roll_back(engine)

    with engine.connect() as connection:
        rows = connection.execute(select(stage_changes).order_by("change_id")).all()
    assert [(r.action, r.version, r.previous_version, r.actor) for r in rows] == [
        ("promote", registered[0], None, "test"),
        ("promote", registered[1], registered[0], "test"),
        ("rollback", registered[0], registered[1], "test"),
    ]


def _command(tmp_path: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    places = {
        "PERENNIAL_DATABASE_URL": f"sqlite:///{tmp_path}/perennial.db",
        "PERENNIAL_BUNDLES_DIR": str(tmp_path / "bundles"),
    }
    return subprocess.run(
        [sys.executable, "-m", "contracts.registry", *arguments],
        env={**os.environ, **places}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_rollback_is_one_command(engine: Engine, registered: list[str], tmp_path: Path) -> None:
    _promote(engine, registered[0])
    _promote(engine, registered[1])

    run = _command(tmp_path, "rollback", "--reason", "it is worse")

    assert (run.returncode, run.stdout.strip()) == (0, registered[0])
    assert _champion(engine) == registered[0]
    assert f"* {registered[0]}" in _command(tmp_path, "list").stdout


def test_refused_command_says_why(engine: Engine, tmp_path: Path) -> None:
    run = _command(tmp_path, "promote", "abc")

    assert run.returncode == 1
    assert "promote refused: no version 'abc'" in run.stderr
    assert "Traceback" not in run.stderr
