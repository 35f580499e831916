"""Every answer to whoever wanted a retrain, also every no: when, what was seen, why.

`python -m monitoring.decisions` shows the newest; so does GET /decisions.
"""

import argparse
import sys
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select
from uuid_utils import uuid7

from contracts.database import DatabaseUrlError, make_engine
from contracts.migrate import DatabaseOutOfDateError, require_current
from contracts.settings import Settings
from contracts.tables import decisions
from monitoring.governor import Answer, Trigger


def record(
    connection: Connection,
    trigger: Trigger,
    answer: Answer,
    now: datetime,
    *,
    action: str = "retrain",
    retrain_id: str | None = None,
) -> None:
    """Append a decision in the caller's writing transaction.

    Args:
        action: what was asked for.
        retrain_id: what it began, or what it buried.
    """
    row = {"decision_id": str(uuid7()), "decided_at": now, "trigger": trigger.kind,
           "trigger_id": trigger.trigger_id, "actor": trigger.actor[:200], "action": action,
           "answer": "yes" if answer.yes else "no", "seen": trigger.seen,
           "reason": answer.reason, "retrain_id": retrain_id}  # fmt: skip
    connection.execute(insert(decisions).values(row))


def newest(connection: Connection, limit: int) -> list[Row[Any]]:
    """Rows of decisions, newest first."""
    query = select(decisions).order_by(
        decisions.c.decided_at.desc(), decisions.c.decision_id.desc()
    )
    return list(connection.execute(query.limit(limit)))


def as_text(row: Row[Any]) -> str:
    """One decision for a terminal."""
    led_to = f"  retrain {row.retrain_id}" if row.retrain_id else ""
    return (
        f"{row.decided_at:%Y-%m-%d %H:%M:%S}  {row.answer:3}  {row.action} by {row.trigger}, "
        f"{row.actor}{led_to}\n    seen: {row.seen}\n    why:  {row.reason}\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m monitoring.decisions", description=__doc__)
    parser.add_argument("--limit", type=int, default=20, help="how many; %(default)s")
    arguments = parser.parse_args()
    try:
        engine = make_engine(Settings().database_url, pooled=False)
        require_current(engine)
    except (DatabaseUrlError, DatabaseOutOfDateError) as error:
        sys.exit(str(error))
    with engine.connect() as connection:
        rows = newest(connection, max(arguments.limit, 0))
    sys.stdout.write("".join(map(as_text, rows)) or "nothing has been decided yet\n")


if __name__ == "__main__":
    main()
