"""Bring the database to this code's tables: `python -m contracts.migrate`."""

import argparse
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine

from contracts.database import make_engine, write_transaction
from contracts.settings import Settings


class DatabaseOutOfDateError(RuntimeError):
    """The database's tables are not those of this code."""

    def __init__(self, found: str | None, expected: str | None) -> None:
        super().__init__(
            f"the database is at revision {found}, this code needs {expected}; "
            "run `python -m contracts.migrate`"
        )


def migrate(engine: Engine) -> None:
    """Apply every missing migration, in one transaction; on a current database do nothing."""
    with write_transaction(engine) as connection:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def require_current(engine: Engine) -> None:
    """Refuse to start on other tables.

    Raises:
        DatabaseOutOfDateError: names the remedy.
    """
    with engine.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    expected = ScriptDirectory.from_config(_config()).get_current_head()
    if found != expected:
        raise DatabaseOutOfDateError(found, expected)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    migrate(make_engine(Settings().database_url))


if __name__ == "__main__":
    main()
