"""The audit log: append-only, each entry's hash covers the one before it.

`verify` finds an entry that was changed, removed or slipped in; also the last ones, because
audit_head counts them. Whoever can rewrite every row can also rewrite the chain: keep the hashes
that the service logs elsewhere where that matters.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from contracts.tables import audit_head, audit_log

FIRST_HASH = "0" * 64


def record(
    connection: Connection,
    *,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, Any],
    now: datetime,
) -> str:
    """Append an entry in the caller's writing transaction; returns its hash."""
    # Touching the head first makes writers on PostgreSQL wait for each other.
    grow = update(audit_head).values(entries=audit_head.c.entries + 1).returning(audit_head.c.hash)
    previous = connection.execute(grow).scalar_one()
    told = (actor[:200], action[:64], subject[:200], json.dumps(detail, sort_keys=True))
    digest = _hash(previous, now, *told)
    names = ("actor", "action", "subject", "detail")
    row = {
        "at": now,
        "previous_hash": previous,
        "hash": digest,
        **dict(zip(names, told, strict=True)),
    }
    connection.execute(insert(audit_log).values(**row))
    connection.execute(update(audit_head).values(hash=digest))
    return digest


def verify(connection: Connection) -> list[str]:
    """What is wrong with the log, one sentence each; empty = nothing."""
    problems: list[str] = []
    previous, number = FIRST_HASH, 0
    for row in connection.execute(select(audit_log).order_by(audit_log.c.entry_id)):
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
