"""Retention and erasure on PostgreSQL, which deletes and keeps in ways of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from contracts.database import make_engine, write_transaction
from contracts.migrate import migrate
from contracts.settings import Settings
from monitoring.deletion import delete_old_vitals
from monitoring.erase import run_erasure
from monitoring.vitals import read_vitals
from tests.monitoring.erasing import NOW, SUBJECT, count, log_rows
from tests.monitoring.test_retention import fill, keep, left, params
from tests.monitoring.test_vitals import MINUTE, START, note
from tests.postgresql import temporary_postgresql

pytestmark = pytest.mark.slow


@pytest.fixture
def engine() -> Iterator[Engine]:
    with temporary_postgresql() as url:
        engine = make_engine(url)
        migrate(engine)
        yield engine
        engine.dispose()


def test_old_rows_go(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        fill(connection)
    keep(engine, params(days=60, rows=450))
    assert left(engine) == [450, 225, 450, 1]


def test_a_subject_goes_and_what_stays_is_told(engine: Engine, tmp_path: Path) -> None:
    log_rows(engine, range(400))
    url = engine.url.render_as_string(hide_password=False)
    settings = Settings(
        _env_file=None,
        database_url=url,
        bundles_dir=tmp_path / "bundles",
        reports_dir=tmp_path / "reports",
        work_dir=tmp_path / "retrains",
        spool_dir=tmp_path / "spool",
        project_dir=tmp_path / "project",
    )

    _, done = run_erasure(engine, settings, SUBJECT, lambda: NOW, actor="a test", wait_seconds=0)

    assert count(engine) == [360, 0, 360, 360]
    assert done.finished
    assert "until it vacuums" in done.remarks[0]
    assert "no spool at" in done.remarks[1]


def test_what_versions_did_is_read_and_deleted(engine: Engine) -> None:
    for minute in range(5):
        note(engine, "old", minute, 10, failed=minute)
    with engine.connect() as connection:
        found = read_vitals(connection, "old", START + 2 * MINUTE, START + 9 * MINUTE)

    assert (found.answered, found.unanswered.tolist()) == (30, [2, 3, 4])
    assert delete_old_vitals(engine, START + 4 * MINUTE) == 4
