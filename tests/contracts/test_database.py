"""Migrations make exactly the tables of the code; SQLite is set up to keep what it is given."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, insert, select, text
from sqlalchemy.exc import StatementError

from contracts.audit import verify
from contracts.database import DatabaseUrlError, checkpoint, make_engine, write_transaction
from contracts.migrate import (
    MIGRATIONS,
    DatabaseOutOfDateError,
    migrate,
    newest_revision,
    require_current,
)
from contracts.tables import audit_log, leases, metadata
from tests.postgresql import temporary_postgresql


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Engine]:
    engine = make_engine(f"sqlite:///{tmp_path}/new/perennial.db")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    with temporary_postgresql() as url:
        yield url


def _differences(engine: Engine) -> list[object]:
    def belongs(_object: object, name: str | None, *_: object) -> bool:
        return engine.dialect.name == "postgresql" or "_sample_" not in (name or "")

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": belongs})
        return list(compare_metadata(context, metadata))


def test_migrations_make_the_tables_of_the_code(fresh: Engine) -> None:
    migrate(fresh)

    assert _differences(fresh) == []


@pytest.mark.slow
def test_migrations_make_the_same_tables_on_postgresql(postgresql: str) -> None:
    engine = make_engine(postgresql)
    migrate(engine)

    assert _differences(engine) == []
    engine.dispose()


def test_migrating_twice_does_nothing(fresh: Engine) -> None:
    migrate(fresh)
    migrate(fresh)

    require_current(fresh)


OLD_ENTRY = text(
    "INSERT INTO audit_log (at, actor, action, subject, detail) "
    "VALUES (:at, :actor, :action, :subject, :detail)"
)


def test_an_older_audit_log_begins_the_chain_and_survives_the_way_back(fresh: Engine) -> None:
    entry = {"at": datetime(2026, 1, 1, tzinfo=UTC), "actor": "me", "action": "promote",
             "subject": "v", "detail": '{"reason": "why"}'}  # fmt: skip
    columns = list(entry)
    _migrate_to(fresh, "0002")
    with write_transaction(fresh) as connection:
        for _ in range(2):
            connection.execute(OLD_ENTRY, {**entry, "at": "2026-01-01 00:00:00.000000"})
    migrate(fresh)
    with fresh.connect() as connection:
        rows = [row._asdict() for row in connection.execute(select(audit_log))]
        assert verify(connection) == []
    assert [{name: row[name] for name in columns} for row in rows] == [entry, entry]
    _migrate_to(fresh, "0002", back=True)
    with fresh.connect() as connection:
        found = connection.execute(select(*(audit_log.c[name] for name in columns)))
        assert [row._asdict() for row in found] == [entry, entry]


def _migrate_to(engine: Engine, revision: str, *, back: bool = False) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with write_transaction(engine) as connection:
        config.attributes["connection"] = connection
        (command.downgrade if back else command.upgrade)(config, revision)


def test_unmigrated_database_names_the_remedy(fresh: Engine) -> None:
    with pytest.raises(DatabaseOutOfDateError, match="python -m contracts.migrate"):
        require_current(fresh)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "not a SQLAlchemy URL"),
        ("mysql://host/name", "mysql is not sqlite or postgresql"),
        ("sqlite://", "SQLite needs a file"),
    ],
)
def test_unusable_url_is_refused(url: str, message: str) -> None:
    with pytest.raises(DatabaseUrlError, match=message):
        make_engine(url)


def test_sqlite_syncs_every_commit_and_never_checkpoints_by_itself(fresh: Engine) -> None:
    pragmas = ["journal_mode", "synchronous", "wal_autocheckpoint"]
    with fresh.connect() as connection:
        found = [connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in pragmas]

    assert found == ["wal", 2, 0]


def test_times_come_back_in_utc(fresh: Engine) -> None:
    migrate(fresh)
    given = datetime(2013, 4, 1, 12, tzinfo=timezone(timedelta(hours=2)))
    row = {"name": "a", "holder": "b", "fencing_token": 1, "expires_at": given}
    with write_transaction(fresh) as connection:
        connection.execute(insert(leases).values(row))
        kept = connection.execute(select(leases.c.expires_at)).scalar_one()

    assert kept == given
    assert kept.tzinfo is UTC


def test_naive_time_is_refused(fresh: Engine) -> None:
    migrate(fresh)
    row = {"name": "a", "holder": "b", "fencing_token": 1, "expires_at": datetime(2013, 4, 1)}  # noqa: DTZ001

    with (
        pytest.raises(StatementError, match="attach its time zone"),
        write_transaction(fresh) as connection,
    ):
        connection.execute(insert(leases).values(row))


def test_checkpoint_waits_for_other_writers(fresh: Engine, tmp_path: Path) -> None:
    migrate(fresh)
    other = make_engine(str(fresh.url))

    with write_transaction(other):
        assert checkpoint(fresh) is False
    other.dispose()
    assert checkpoint(fresh) is True
    assert (tmp_path / "new" / "perennial.db-wal").stat().st_size > 0


def test_the_newest_revision_is_the_one_that_alembic_would_reach() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert newest_revision() == ScriptDirectory.from_config(config).get_current_head()
