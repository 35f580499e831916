"""Promotions and rollbacks in any order, against a plain list."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from sqlalchemy import Engine, delete, insert

from contracts.database import write_transaction
from contracts.registry import (
    NothingToRollBackError,
    champion,
    champions,
    promote,
    roll_back,
)
from contracts.tables import model_versions, stage_changes
from tests.conftest import NOW
from tests.migrated import migrated_engine

WHY = {"actor": "a test", "reason": "to try", "now": NOW}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Versions A, B and C are registered."""
    directory: Path = tmp_path_factory.mktemp("rollback")
    engine = migrated_engine(f"sqlite:///{directory}/perennial.db")
    moments = dict.fromkeys(("registered_at", "trained_from", "trained_until"), NOW)
    with write_transaction(engine) as connection:
        for version in "ABC":
            row = {"version": version, "metrics": "{}", "made": "{}", **moments}
            connection.execute(insert(model_versions).values(row))
    yield engine
    engine.dispose()


def act(engine: Engine, acts: str) -> list[str]:
    """Who answers after each act: a version is promoted, - rolls back; ! = it was refused."""
    told = []
    for one in acts:
        with write_transaction(engine) as connection:
            try:
                if one == "-":
                    roll_back(connection, **WHY)
                else:
                    promote(connection, one, **WHY)
                current = champion(connection)
                told.append(current.version if current else "")
            except NothingToRollBackError:
                told.append("!")
    return told


@pytest.fixture(autouse=True)
def no_history(engine: Engine) -> None:
    forget(engine)


def forget(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        connection.execute(delete(stage_changes))


def test_a_to_b_to_a_is_taken_back_step_by_step(engine: Engine) -> None:
    assert act(engine, "ABA---") == ["A", "B", "A", "B", "A", "!"]


@hypothesis(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.text("ABC--", max_size=12))
def test_any_sequence_does_what_a_list_does(engine: Engine, acts: str) -> None:
    forget(engine)
    model: list[str] = []
    expected = []
    for one in acts:
        if one != "-":
            model += [] if model[-1:] == [one] else [one]
        elif len(model) < 2:
            expected.append("!")
            continue
        else:
            model.pop()
        expected.append(model[-1])
    assert act(engine, acts) == expected
    with engine.connect() as connection:
        assert champions(connection) == model[::-1]


def test_a_history_of_single_steps_goes_on_as_it_was_shown(engine: Engine) -> None:
    rows = [("promote", "A"), ("promote", "B"), ("promote", "A"),
            ("rollback", "B"), ("rollback", "A"), ("rollback", "B")]  # fmt: skip
    with write_transaction(engine) as connection:
        for action, version in rows:
            connection.execute(
                insert(stage_changes).values(
                    action=action, version=version, actor="", reason="", changed_at=NOW
                )
            )
        assert champions(connection) == ["B"]
