"""The audit log: append-only, each entry's hash covers the one before it.

`verify` finds an entry that was changed, removed or slipped in; also the last ones, because
audit_head counts them. Whoever can rewrite every row can also rewrite the chain: keep the hashes
that `python -m service.audit verify` prints elsewhere where that matters.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, insert, select, update

from contracts.tables import audit_head, audit_log

FIRST_HASH = "0" * 64


class Act(NamedTuple):
    """Who did what to what, when."""

    at: datetime
    actor: str
    action: str
    subject: str
    detail: Mapping[str, Any]


def record(
    connection: Connection,
    *,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any],
    now: datetime,
) -> None:
    """Append an entry in the caller's writing transaction."""
    record_all(connection, [Act(now, actor, action, subject, detail)])


def record_all(connection: Connection, acts: Sequence[Act]) -> None:
    """Append entries, in this order, in the caller's writing transaction."""
    # Touching the head first makes writers on PostgreSQL wait for each other.
    longer = update(audit_head).values(entries=audit_head.c.entries + len(acts))
    previous = connection.execute(longer.returning(audit_head.c.hash)).scalar_one()
    rows = []
    for act in acts:
        rows.append(_row(act, previous))
        previous = rows[-1]["hash"]
    connection.execute(insert(audit_log), rows)
    connection.execute(update(audit_head).values(hash=previous))


def _row(act: Act, previous: str) -> dict[str, Any]:
    told = {
        "actor": act.actor[:200],
        "action": act.action[:64],
        "subject": act.subject[:200],
        "detail": json.dumps(act.detail, sort_keys=True),
    }
    digest = _hash(previous, act.at, *told.values())
    return {"at": act.at, **told, "previous_hash": previous, "hash": digest}


def verify(connection: Connection) -> list[str]:
    """What is wrong with the log, one sentence each; empty = nothing."""
    problems: list[str] = []
    previous, number = FIRST_HASH, 0
    entries = select(audit_log).order_by(audit_log.c.entry_id)
    for row in connection.execute(entries.execution_options(yield_per=1000)):
        number += 1
        problems += _problems(row, previous)
        previous = row.hash
    head = connection.execute(select(audit_head)).one()
    if (head.entries, head.hash) != (number, previous):
        problems.append(f"the log ends after {number} entries, the head says {head.entries}")
    return problems


def _problems(row: Row[Any], previous: str) -> list[str]:
    found = []
    if row.previous_hash != previous:
        found.append(f"entry {row.entry_id} does not follow the one before it")
    if row.hash != _hash(row.previous_hash, row.at, row.actor, row.action, row.subject, row.detail):
        found.append(f"entry {row.entry_id} was changed")
    return found


def _hash(previous: str, at: datetime, actor: str, action: str, subject: str, detail: str) -> str:
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    text = json.dumps([previous, moment, actor, action, subject, detail])
    return hashlib.sha256(text.encode()).hexdigest()
