"""`python -m service.audit`: show the audit log, and prove that nobody has changed it.

`verify` ends with 1 where an entry was changed, removed or slipped in.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from contracts.audit import verify
from contracts.database import DatabaseUrlError, make_engine
from contracts.migrate import DatabaseOutOfDateError, require_current
from contracts.settings import Settings
from contracts.tables import audit_head, audit_log


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m service.audit", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("verify", help="check every entry; print how many and the last hash")
    show = actions.add_parser("list", help="one line an entry, oldest first")
    show.add_argument("--last", type=int, default=100, metavar="N", help="default 100")
    return parser


@contextmanager
def _reading(engine: Engine) -> Iterator[Connection]:
    """One moment of the database, also while others write."""
    level = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    with engine.connect().execution_options(**level) as connection:
        yield connection


def _list(connection: Connection, last: int) -> None:
    newest = select(audit_log).order_by(audit_log.c.entry_id.desc()).limit(max(0, last))
    for row in reversed(connection.execute(newest).all()):
        told = ascii(f"{row.actor}  {row.action}  {row.subject}")[1:-1]
        sys.stdout.write(f"{row.entry_id}  {row.at:%Y-%m-%dT%H:%M:%SZ}  {told}  {row.detail}\n")


def _verify(connection: Connection) -> list[str]:
    problems = verify(connection)
    head = connection.execute(select(audit_head)).one()
    sys.stdout.write(f"{head.entries} entries, last hash {head.hash}\n")
    return problems


def main() -> None:
    given = _parser().parse_args()
    problems: list[str] = []
    try:
        engine = make_engine(Settings().database_url, pooled=False)
        require_current(engine)
        with _reading(engine) as connection:
            if given.action == "list":
                _list(connection, given.last)
            else:
                problems = _verify(connection)
    except (DatabaseUrlError, DatabaseOutOfDateError) as error:
        sys.exit(f"{given.action} refused: {error}")
    except SQLAlchemyError as error:
        sys.exit(f"{given.action} failed: {str(getattr(error, 'orig', error)).splitlines()[0]}")
    if problems:
        sys.exit("the audit log is damaged: " + "; ".join(problems[:10]))


if __name__ == "__main__":
    main()
