"""A retrain's row and its lease: begun if the governor says yes, noted, buried if its process died.

Whoever has lost the lease writes nothing any more: each step looks at its fencing token.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update
from uuid_utils import uuid7

from contracts.database import write_transaction
from contracts.monitoring_params import Policy
from contracts.registry import take_turns
from contracts.tables import AWAITING, retrains
from monitoring import decisions, leases
from monitoring.canary_rule import settle
from monitoring.governor import Answer, Trigger, answer
from monitoring.history import INTERRUPTED, RETRAIN, read_history

LEASE = "retrain"
UNFINISHED = retrains.c.state.in_(["started", "trained"])


class RefusedError(RuntimeError):
    """The governor said no; the message says why."""


class LeaseLostError(RuntimeError):
    """This process was silent for so long that another has taken its lease."""

    def __init__(self) -> None:
        super().__init__("another process has taken the lease over and marked this one failed")


@dataclass(frozen=True)
class Ticket:
    """The right to run one retrain, as long as nobody has taken the lease over."""

    retrain_id: str
    token: int


def begin(
    engine: Engine,
    trigger: Trigger,
    policy: Policy,
    champion_version: str,
    *,
    now: datetime,
    wall: datetime,
    action: str = RETRAIN,
) -> Ticket:
    """Ask the governor, record its answer and, on a yes, take the lease and open the row.

    All in one transaction: nobody else decides meanwhile, and no crash leaves half of it.

    Args:
        now: the time that the decision is made by, which need not be today's.
        wall: the machine's time, which leases are kept by.
        action: what it is, a retrain or an update.

    Raises:
        RefusedError: it said no.
    """
    retrain_id = str(uuid7())
    with write_transaction(engine) as connection:
        token, running = _enter(connection, now, wall)
        running = running or settle(connection, now)
        history = read_history(connection, now, trigger.trigger_id, running, action)
        word = answer(trigger, history, policy, now)
        begun = retrain_id if word.yes else None
        decisions.record(connection, trigger, word, now, action=action, retrain_id=begun)
        if word.yes:
            row = {"retrain_id": retrain_id, "check_id": trigger.check_id, "started_at": now,
                   "state": "started", "reason": trigger.seen,
                   "champion_version": champion_version, "verdict": "{}"}  # fmt: skip
            connection.execute(insert(retrains).values(row))
        elif token is not None:
            leases.release(connection, LEASE, token)
    if token is None or not word.yes:
        raise RefusedError(word.reason)
    return Ticket(retrain_id, token)


def recover(engine: Engine, now: datetime, wall: datetime) -> list[str]:
    """Bury retrains whose processes have died, if no living one holds the lease.

    Returns:
        Their ids.
    """
    with engine.connect() as connection:
        if connection.execute(select(retrains.c.retrain_id).where(UNFINISHED)).first() is None:
            return []
    with write_transaction(engine) as connection:
        before = _unfinished(connection)
        token, _ = _enter(connection, now, wall)
        if token is None:
            return []
        leases.release(connection, LEASE, token)
    return before


def note(engine: Engine, ticket: Ticket, **values: Any) -> None:
    """Write down a step.

    Raises:
        LeaseLostError: it is not this process's any more.
    """
    with write_transaction(engine) as connection:
        require_held(connection, ticket)
        write(connection, ticket, **values)


def require_held(connection: Connection, ticket: Ticket) -> None:
    """Do nothing while the lease is held; nobody can take it until the caller commits.

    Raises:
        LeaseLostError: somebody has.
    """
    take_turns(connection)
    if not leases.holds(connection, LEASE, ticket.token):
        raise LeaseLostError


def write(connection: Connection, ticket: Ticket, **values: Any) -> None:
    """Write values into the ticket's row, in a transaction that has asked require_held."""
    mine = retrains.c.retrain_id == ticket.retrain_id
    connection.execute(update(retrains).where(mine).values(values))


def supersede(connection: Connection) -> None:
    """A challenger that waits for a person makes room for a newer one."""
    waiting = retrains.c.state == AWAITING
    connection.execute(update(retrains).where(waiting).values(state="superseded"))


def _enter(connection: Connection, now: datetime, wall: datetime) -> tuple[int | None, str | None]:
    """Take the lease if it is free, and bury who died with it.

    Returns:
        The token, or who is running.
    """
    take_turns(connection)
    running = leases.running(connection, LEASE, wall, leases.LENGTH)
    if running is not None:
        return None, running
    token = leases.take(connection, LEASE, leases.this_process(), wall, leases.LENGTH)
    for retrain_id in _unfinished(connection):
        _bury(connection, retrain_id, now)
    return token, None


def _unfinished(connection: Connection) -> list[str]:
    return list(connection.execute(select(retrains.c.retrain_id).where(UNFINISHED)).scalars())


def _bury(connection: Connection, retrain_id: str, now: datetime) -> None:
    """Whoever holds the lease is the only one alive: an unfinished row is of a dead process."""
    mine = retrains.c.retrain_id == retrain_id
    known = json.loads(connection.execute(select(retrains.c.verdict).where(mine)).scalar_one())
    verdict = {**known, "error": "interrupted: its process ended", INTERRUPTED: True}
    values = {"state": "failed", "finished_at": now, "verdict": json.dumps(verdict)}
    connection.execute(update(retrains).where(mine).values(values))
    trigger = Trigger(
        "restart", retrain_id, now, "the retrain's process ended before it did",
        leases.this_process(),
    )  # fmt: skip
    why = "it is marked failed and not taken up; what asked for it can ask again, without cool-down"
    decisions.record(connection, trigger, Answer(False, why), now, retrain_id=retrain_id)
