"""What a version answered can be listed after it went, also what its recalibrations answered."""

import csv
import io
from datetime import timedelta

import pandas as pd
import pytest
from sqlalchemy import insert

from contracts.bundle import RECALIBRATES
from contracts.database import write_transaction
from contracts.registry import promote, roll_back
from contracts.tables import model_versions
from monitoring import rolled_back
from monitoring.rolled_back import (
    HEADER,
    NothingRolledBackError,
    answered_by,
    newest_rolled_back,
    write_csv,
)
from tests.monitoring.conftest import FEBRUARY, World


def _register(world: World, version: str, made: str = "{}") -> None:
    row = {"version": version, "registered_at": FEBRUARY, "trained_from": FEBRUARY,
           "trained_until": FEBRUARY, "metrics": "{}", "made": made}  # fmt: skip
    with write_transaction(world.engine) as connection:
        connection.execute(insert(model_versions).values(row))


def test_rolled_back_version_is_found_and_what_it_answered_listed(
    world: World, february: pd.DataFrame
) -> None:
    ids = world.answer(february.head(20), with_outcomes=False)
    world.correct(ids[0], 0)
    world.correct(ids[0], 1)
    _register(world, "next")
    for step, how in enumerate(["promote", "back"]):
        with write_transaction(world.engine) as connection:
            now = FEBRUARY + timedelta(days=step)
            if how == "promote":
                promote(connection, "next", actor="test", reason="", now=now)
            else:
                roll_back(connection, actor="test", reason="", now=now)

    file = io.StringIO()
    with world.engine.connect() as connection:
        assert newest_rolled_back(connection) == "next"
        assert list(answered_by(connection, ["next"])) == []
        count = write_csv(answered_by(connection, [world.bundle.version]), file)

    lines = list(csv.DictReader(io.StringIO(file.getvalue())))
    assert count == len(lines) == 20
    assert list(lines[0]) == HEADER
    assert [line["prediction_id"] for line in lines] == sorted(ids)
    outcomes = {line["prediction_id"]: line["outcome"] for line in lines}
    assert outcomes[ids[0]] == "1", "the newest correction"
    assert outcomes[ids[1]] == ""


def test_recalibrations_are_the_same_model(
    world: World, february: pd.DataFrame, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    world.answer(february.head(5))
    _register(world, "shifted", f'{{"{RECALIBRATES}": "{world.bundle.version}"}}')
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", str(world.engine.url))
    monkeypatch.setattr("sys.argv", ["rolled_back", "shifted"])
    rolled_back.main()

    assert capsys.readouterr().err == "5 predictions by shifted\n"


def test_no_rollback_and_no_such_version_are_said(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world.engine.connect() as connection, pytest.raises(NothingRolledBackError):
        newest_rolled_back(connection)
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", str(world.engine.url))
    monkeypatch.setattr("sys.argv", ["rolled_back", "nobody"])
    with pytest.raises(SystemExit, match="nobody"):
        rolled_back.main()
