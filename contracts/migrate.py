"""Bring the database to this code's tables: `python -m contracts.migrate`."""

import argparse
from pathlib import Path

from sqlalchemy import Engine, String, column, inspect, select, table

from contracts.database import make_engine, write_transaction
from contracts.settings import Settings

MIGRATIONS = Path(__file__).parent / "migrations"


class DatabaseOutOfDateError(RuntimeError):
    """The database's tables are not those of this code."""

    def __init__(self, found: str | None, expected: str | None) -> None:
        super().__init__(
            f"the database is at revision {found}, this code needs {expected}; "
            "run `python -m contracts.migrate`"
        )


def migrate(engine: Engine) -> None:
    """Apply every missing migration, in one transaction; on a current database do nothing."""
    from alembic import command  # a fifth of the service's start, which only looks
    from alembic.config import Config

    with write_transaction(engine) as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def require_current(engine: Engine) -> None:
    """Refuse to start on other tables.

    Raises:
        DatabaseOutOfDateError: names the remedy.
    """
    found, expected = _revision_of(engine), newest_revision()
    if found != expected:
        raise DatabaseOutOfDateError(found, expected)


def newest_revision() -> str:
    """The last migration of this code: their files are named by their numbers."""
    return max(path.stem.split("_")[0] for path in (MIGRATIONS / "versions").glob("0*.py"))


def _revision_of(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        query = select(column("version_num", String)).select_from(table("alembic_version"))
        return connection.execute(query).scalar_one_or_none()


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    migrate(make_engine(Settings().database_url, pooled=False))


if __name__ == "__main__":
    main()
