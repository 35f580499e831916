"""An erased subject has no rows, outcomes or answers any more, and the audit log tells of it."""

import json
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from contracts.settings import Settings
from contracts.subject import Subject
from contracts.tables import predictions
from monitoring.erase import main
from monitoring.erasure import erase
from monitoring.scrub import files_with
from monitoring.whereabouts import SpoolError, look_for
from tests.monitoring.erasing import (
    NOBODY,
    SUBJECT,
    WHO,
    count,
    engine,
    entries,
    log_rows,
    name_of,
    run,
    settings,
)

__all__ = ["engine", "settings"]


def test_rows_outcomes_shadows_and_answers_are_gone(engine: Engine, settings: Settings) -> None:
    found, done = run(engine, settings)

    assert count(engine) == [360, 0, 360, 360]
    assert len(found.ids) == 40
    assert (done.predictions, done.outcomes, done.answers, done.finished) == (40, 20, 40, True)
    with engine.connect() as connection:
        left = connection.execute(select(predictions.c.features)).scalars().all()
    assert {json.loads(one)["customer"].rpartition("-")[0] for one in left} == {NOBODY}


def test_a_dry_run_counts_and_changes_nothing(engine: Engine, settings: Settings) -> None:
    before, told = count(engine), entries(engine)
    found = look_for(engine, settings, SUBJECT)
    assert (len(found.ids), found.spooled) == (40, 0)
    assert (count(engine), entries(engine)) == (before, told)


def test_again_finds_nothing_and_goes_on_where_a_crash_left_off(
    engine: Engine, settings: Settings
) -> None:
    run(engine, settings)
    log_rows(engine, range(400, 420))  # two more of theirs
    _, done = run(engine, settings)
    assert done.predictions == 2
    found, done = run(engine, settings)
    assert (done.predictions, done.finished, found.counts()["predictions"]) == (0, True, 0)


def test_whoever_lost_the_lease_stops_and_says_so(engine: Engine, settings: Settings) -> None:
    found = look_for(engine, settings, SUBJECT)
    done = erase(engine, settings, SUBJECT, found, may_go_on=lambda _: False, wait_seconds=0)
    assert not done.finished and "run this again" in done.remarks[-1]
    assert count(engine)[0] == 400


def test_the_audit_log_tells_all_but_who_it_was(engine: Engine, settings: Settings) -> None:
    run(engine, settings)
    *_, began, ended = entries(engine)
    assert began.startswith("a test erasure began customer scrypt:")
    assert '"predictions": 40' in ended
    assert WHO not in began + ended
    _, salt, digest = ended.partition("customer ")[2].split()[0].split(":")
    assert SUBJECT.digest(bytes.fromhex(salt)) == digest


def test_by_prediction_id_only_that_row_goes(engine: Engine, settings: Settings) -> None:
    one = Subject(ids=frozenset({name_of(20)}))
    _, done = run(engine, settings, one)
    assert count(engine) == [399, 19, 399, 399]
    assert (done.predictions, done.outcomes) == (1, 1)
    assert not files_with(engine, one)


def test_a_spool_that_cannot_be_looked_into_stops_everything(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    slot = tmp_path / "spool" / "0"
    slot.mkdir(parents=True)
    (slot / "lock").mkdir()  # not a file
    with pytest.raises(SpoolError, match="Nothing was erased"):
        run(engine, settings)
    assert count(engine)[0] == 400


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["--entity", "UA"], "say --column NAME"),
        (["--entity", "UA", "--column", "customer"], "'customer' is no feature"),
        ([], "say --entity ID or --prediction-id ID"),
    ],
)
def test_the_command_asks_for_a_column_and_refuses_one_that_no_row_has(
    engine: Engine,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: list[str],
    told: str,
) -> None:
    monkeypatch.setenv("PERENNIAL_DATABASE_URL", settings.database_url)
    monkeypatch.setattr(sys, "argv", ["erase", *given])
    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code not in (None, 0)
    assert told in f"{ended.value.code} {capsys.readouterr().err}"


@pytest.mark.parametrize(
    ("value", "found", "same"),
    [("17", 17, True), ("17", 17.0, True), ("17", "17", True), ("17", 170, False),
     ("true", True, True), ("1", True, False), ("x", 17, False), ("x", None, False),
     ("Zoë", "Zoë", True)],
)  # fmt: skip
def test_a_value_is_the_subjects_whatever_its_kind(value: str, found: object, same: bool) -> None:
    assert Subject("c", value).is_value(found) is same
    text = json.dumps({"c": found}).encode()
    assert (Subject("c", value).row_pattern().search(text) is not None) is same or found is True
