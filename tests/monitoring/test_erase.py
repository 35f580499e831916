"""An erased subject is nowhere any more: not in tables, spools, pages, logs, nor in any bytes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import Engine, func, insert, select

from contracts import audit
from contracts.bundle import load_bundle, save_bundle
from contracts.database import checkpoint, make_engine, write_transaction
from contracts.migrate import migrate
from contracts.registry import promote, register
from contracts.settings import Settings
from contracts.subject import Subject
from contracts.tables import (
    audit_log,
    checks,
    idempotency_keys,
    outcomes,
    predictions,
    retrains,
    shadow_predictions,
)
from monitoring import leases
from monitoring.attempts import LEASE
from monitoring.erase import run_erasure
from monitoring.erasure import Erasure, erase, wanted_retrain
from monitoring.plain_text import plain
from monitoring.scrub import files_with
from monitoring.whereabouts import Found, SpoolError, look_for
from tests.bundles import make_bundle

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WHO = "customer-4711"
SUBJECT = Subject("customer", WHO)
NOBODY = "customer-47110"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        _env_file=None,
        database_url=f"sqlite:///{tmp_path}/perennial.db",
        bundles_dir=tmp_path / "bundles",
        reports_dir=tmp_path / "reports",
        work_dir=tmp_path / "retrains",
        spool_dir=tmp_path / "spool",
        project_dir=tmp_path / "project",
    )


@pytest.fixture
def engine(settings: Settings, tmp_path: Path) -> Iterator[Engine]:
    """A champion, and 400 rows of which every tenth is the subject's, half with an outcome."""
    engine = make_engine(settings.database_url)
    migrate(engine)
    make_bundle(tmp_path / "bundle", seed=0)
    version = register(engine, settings.bundles_dir, tmp_path / "bundle", NOW, {})
    with write_transaction(engine) as connection:
        promote(connection, version, actor="test", reason="first", now=NOW)
    log_rows(engine, range(400))
    yield engine
    engine.dispose()


def name_of(number: int) -> str:
    return f"01a1fd10-fe88-726d-baae-{number:012x}"


def log_rows(engine: Engine, numbers: range) -> None:
    rows, known, shadows, keys = [], [], [], []
    for number in numbers:
        who = WHO if number % 10 == 0 else f"{NOBODY}-{number}"
        at, name = NOW - timedelta(days=700, minutes=number), name_of(number)
        answer = {"prediction_id": name, "model_version": "v", "predicted_at": at,
                  "prediction": "1", "probability": 0.5}  # fmt: skip
        features = json.dumps({"hour": 3, "customer": who, "note": "x" * (number * 13 % 900)})
        rows.append({**answer, "event_time": at, "features": features})
        shadows.append(answer)
        kept = json.dumps({"prediction_id": [name]})
        keys.append({"owner": "", "key": name, "digest": "", "answer": kept, "created_at": NOW})
        if number % 20 == 0:
            known.append({"prediction_id": name, "outcome": "1", "observed_at": at,
                          "recorded_at": at})  # fmt: skip
    for table, given in ((predictions, rows), (outcomes, known), (shadow_predictions, shadows),
                         (idempotency_keys, keys)):  # fmt: skip
        with write_transaction(engine) as connection:
            connection.execute(insert(table), given)
    checkpoint(engine)


def run(engine: Engine, settings: Settings, subject: Subject = SUBJECT) -> tuple[Found, Erasure]:
    return run_erasure(engine, settings, subject, lambda: NOW, actor="a test", wait_seconds=0)


def count(engine: Engine) -> list[int]:
    tables = (predictions, outcomes, shadow_predictions, idempotency_keys)
    with engine.connect() as connection:
        return [
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables
        ]


def entries(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        assert audit.verify(connection) == []
        rows = connection.execute(select(audit_log).order_by(audit_log.c.entry_id)).all()
    return [f"{row.actor} {row.action} {row.subject} {row.detail}" for row in rows]


def test_rows_outcomes_shadows_and_answers_are_gone(engine: Engine, settings: Settings) -> None:
    found, done = run(engine, settings)

    assert count(engine) == [360, 0, 360, 360]
    assert len(found.ids) == 40
    assert (done.predictions, done.outcomes, done.answers, done.finished) == (40, 20, 40, True)
    with engine.connect() as connection:
        left = connection.execute(select(predictions.c.features)).scalars().all()
    assert {json.loads(one)["customer"].rpartition("-")[0] for one in left} == {NOBODY}


def test_no_byte_of_the_subject_is_left_in_the_database(engine: Engine, settings: Settings) -> None:
    assert files_with(engine, SUBJECT)  # or this would prove nothing
    _, done = run(engine, settings)

    engine.dispose()
    for path in Path(settings.database_url.removeprefix("sqlite:///")).parent.glob("perennial.db*"):
        assert not SUBJECT.text_pattern().search(path.read_bytes()), path
        assert name_of(0).encode() not in path.read_bytes()
    assert done.remarks == []


def test_older_copies_that_pages_kept_are_found_and_written_over(
    engine: Engine, settings: Settings
) -> None:
    """As by another program that deleted without zeros."""
    with engine.connect() as connection:
        cursor = connection.connection.cursor()
        cursor.execute("PRAGMA secure_delete=OFF").fetchall()
        cursor.execute(f"DELETE FROM predictions WHERE prediction_id = '{name_of(20)}'")
        cursor.execute("PRAGMA secure_delete=ON").fetchall()
    with write_transaction(engine) as connection:  # the zeros find the others, but not this one
        connection.execute(predictions.delete().where(predictions.c.features.contains(WHO + '"')))
    checkpoint(engine, truncate=True)
    assert files_with(engine, SUBJECT)

    run(engine, settings)
    assert not files_with(engine, SUBJECT)


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


def test_pages_that_show_them_in_look_alikes_are_found(engine: Engine, settings: Settings) -> None:
    settings.reports_dir.mkdir()
    odd = Subject("customer", "O'Neill & <sons>")
    (settings.reports_dir / "a.html").write_text(f'<script>x = ["{plain(odd.value)}"]</script>')

    assert [path.name for path in look_for(engine, settings, odd).pages] == ["a.html"]


def test_pages_and_working_files_that_show_them_go(engine: Engine, settings: Settings) -> None:
    settings.reports_dir.mkdir()
    (settings.reports_dir / "a.html").write_text(f'<script>x = ["{WHO}"]</script>')
    (settings.reports_dir / "b.html").write_text(f"<p>{NOBODY}</p>")
    copy = settings.work_dir / "some-retrain" / "data" / "outcomes"
    copy.mkdir(parents=True)
    pd.DataFrame({"customer": [WHO, "other"]}).to_parquet(copy / "theirs.parquet")
    pd.DataFrame({"customer": ["other"]}).to_parquet(copy / "others.parquet")
    with write_transaction(engine) as connection:
        check = {"check_id": "c", "checked_at": NOW, "window_from": NOW, "window_to": NOW,
                 "model_version": "v", "rows": 1, "outcomes": 0, "decision": "keep",
                 "reason": "", "findings": "{}", "report": "a.html"}  # fmt: skip
        connection.execute(insert(checks), check)

    _, done = run(engine, settings)

    assert [path.name for path in settings.reports_dir.iterdir()] == ["b.html"]
    assert [path.name for path in copy.iterdir()] == ["others.parquet"]
    assert (done.reports, done.working_files) == (1, 1)
    with engine.connect() as connection:
        assert connection.execute(select(checks.c.report)).scalar_one() is None


def test_what_dvc_keeps_is_told_and_left(engine: Engine, settings: Settings) -> None:
    cache = settings.project_dir / ".dvc" / "cache" / "files" / "md5" / "ab"
    table = settings.project_dir / "data" / "table"
    for directory in (cache, table):
        directory.mkdir(parents=True)
    pd.DataFrame({"customer": [WHO]}).to_parquet(cache / "cdef")
    (table / "rows.csv").write_text(f"customer,hour\n{WHO},3\n")

    found, _ = run(engine, settings)

    assert [path.name for path in found.tracked] == ["rows.csv", "cdef"]
    assert (cache / "cdef").exists() and (table / "rows.csv").exists()
    assert found.learned  # every version may have, from the table


def test_a_version_made_after_an_outcome_was_known_may_have_learned_from_it(
    engine: Engine, settings: Settings
) -> None:
    facts = {"trained_from": "2020-01-01T00:00:00+00:00", "trained_until": NOW.isoformat()}
    directory = settings.bundles_dir.parent / "later"
    save_bundle(directory, load_bundle(next(settings.bundles_dir.iterdir())).files, facts)
    later = register(engine, settings.bundles_dir, directory, NOW, {})
    early = register(engine, settings.bundles_dir, _twin(directory), NOW - timedelta(days=800), {})

    found, _ = run(engine, settings)

    assert later in found.learned and early not in found.learned
    assert '"retrain": true' in entries(engine)[-2]
    with engine.connect() as connection:
        assert "erasure" in str(wanted_retrain(connection))


def _twin(directory: Path) -> Path:
    """The same bundle under another version."""
    bundle = load_bundle(directory)
    facts = {name: bundle.manifest[name] for name in ("trained_from", "trained_until")}
    save_bundle(directory.with_name("twin"), bundle.files, {**facts, "twin": True})
    return directory.with_name("twin")


def test_the_next_check_owes_a_clean_retrain_until_one_has_ended(
    engine: Engine, settings: Settings
) -> None:
    def owed() -> bool:
        with engine.connect() as connection:
            return wanted_retrain(connection) is not None

    def retrained(state: str, after: timedelta) -> None:
        row = {"retrain_id": f"{state}{after}"[:36], "started_at": NOW + after, "state": state,
               "reason": "", "champion_version": "v", "verdict": "{}"}  # fmt: skip
        with write_transaction(engine) as connection:
            connection.execute(insert(retrains), row)

    assert not owed()
    table = settings.project_dir / "data" / "table"
    table.mkdir(parents=True)
    (table / "rows.csv").write_text(f"customer,hour\n{WHO},3\n")
    run(engine, settings)
    assert owed()
    retrained("promoted", -timedelta(hours=1))
    retrained("failed", timedelta(hours=1))
    assert owed()
    retrained("rejected", timedelta(hours=2))
    assert not owed()


def test_nothing_is_erased_under_a_running_retrain(engine: Engine, settings: Settings) -> None:
    with write_transaction(engine) as connection:
        leases.take(connection, LEASE, "somebody", leases.utc_now(), leases.LENGTH)
    with pytest.raises(leases.LeaseTakenError):
        run(engine, settings)
    assert count(engine)[0] == 400


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


def test_the_command_asks_for_a_column_and_refuses_one_that_no_row_has(
    engine: Engine, settings: Settings
) -> None:
    def command(*given: str) -> str:
        names = {"PERENNIAL_DATABASE_URL": settings.database_url}
        done = subprocess.run(
            [sys.executable, "-m", "monitoring.erase", *given], capture_output=True, text=True,
            env={**os.environ, **names},
        )  # fmt: skip
        assert done.returncode
        return done.stderr

    assert "say --column NAME" in command("--entity", "UA")
    assert "'customer' is no feature" in command("--entity", "UA", "--column", "customer")
    assert "say --entity ID or --prediction-id ID" in command()


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
