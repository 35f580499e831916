"""What the governor must know of the past, read from the database."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, select

from contracts.bundle import Bundle
from contracts.monitoring_params import Policy
from contracts.registry import family
from contracts.tables import checks, decisions, retrains
from monitoring.governor import DAYS_30, UPDATE, Attempt, History
from monitoring.sampling import count_labelled

RETRAIN = "retrain"  # an action, as UPDATE is
INTERRUPTED = "interrupted"  # key in a retrain's verdict


def read_history(
    connection: Connection,
    now: datetime,
    trigger_id: str = "",
    running: str | None = None,
    action: str = RETRAIN,
) -> History:
    """Retrains until `now`, and a month after it: clocks step back, and a replay's is years ago.

    Args:
        action: or updates. Each has its own budget and cool-down, so that neither waits for the
            other; that one runs at a time is the lease's.
    """
    mine = retrains.c.retrain_id.in_(updates())
    known = select(retrains).where(
        retrains.c.started_at <= now + DAYS_30, mine if action == UPDATE else ~mine
    )
    newest_first = known.order_by(retrains.c.started_at.desc(), retrains.c.retrain_id.desc())
    spent = exists().where(decisions.c.trigger_id == trigger_id, decisions.c.answer == "yes")
    return History(
        attempts=tuple(_attempt(row) for row in connection.execute(newest_first)),
        spent=bool(connection.execute(select(spent)).scalar_one()),
        running=running,
    )


def read_past(
    connection: Connection, bundle: Bundle, policy: Policy, now: datetime
) -> dict[str, Any]:
    """What Evidence holds of the time before a check."""
    learned_until = datetime.fromisoformat(bundle.manifest["trained_until"])
    earlier = read_history(connection, now)
    number, days = count_labelled(connection, learned_until, now)
    return {
        "outcomes": number,
        "outcome_days": days,
        "last_retrain": earlier.last_retrain,
        "fruitless": earlier.fruitless,
        "learned_until": learned_until,
        "stood": checks_stood(
            connection, list(family(connection, bundle.version)), now, policy.debounce_checks - 1
        ),
    }


def updates() -> Select[tuple[str]]:
    """Ids of the rows of retrains that are updates (monitoring/update.py)."""
    return select(decisions.c.retrain_id).where(
        decisions.c.action == UPDATE, decisions.c.retrain_id.is_not(None)
    )


def checks_stood(connection: Connection, versions: Sequence[str], now: datetime, most: int) -> int:
    """How many of the newest `most` checks of a champion, in a row, saw it perform worse.

    Args:
        versions: the champion and its recalibrations.
    """
    query = select(checks.c.findings).where(
        checks.c.model_version.in_(versions), checks.c.checked_at < now
    )
    newest = connection.execute(query.order_by(checks.c.checked_at.desc()).limit(most)).scalars()
    stood = 0
    for findings in newest:
        if json.loads(findings).get("wish") != "performance":
            break
        stood += 1
    return stood


def _attempt(row: Row[Any]) -> Attempt:
    return Attempt(
        row.retrain_id,
        row.started_at,
        row.finished_at,
        row.state,
        interrupted=bool(json.loads(row.verdict).get(INTERRUPTED)),
    )
