"""Errands: what somebody asks monitoring for from a page, a check or a retrain.

The service writes them down and monitoring/errands.py runs them: the two share nothing but the
database. Of each kind one is open at a time.
"""

from datetime import datetime
from typing import Any, Literal, get_args

from sqlalchemy import Connection, Row, insert, select, update
from uuid_utils import uuid7

from contracts.audit import record
from contracts.registry import take_turns
from contracts.tables import errands, leases

Kind = Literal["check", "retrain"]
KINDS: tuple[Kind, ...] = get_args(Kind)
WAITING, RUNNING, WITHDRAWN = "waiting", "running", "withdrawn"
DONE, REFUSED, FAILED = "done", "refused", "failed"
DIED = "interrupted: the process that ran it has ended; ask again"


class OpenErrandError(RuntimeError):
    """One of this kind is open already."""

    def __init__(self, errand: Row[Any]) -> None:
        super().__init__(
            f"a {errand.kind} is {errand.state} already, asked for by {errand.actor} at "
            f"{errand.asked_at:%H:%M} UTC"
        )


class NotWaitingError(RuntimeError):
    """Only an errand that waits can be withdrawn."""

    def __init__(self) -> None:
        super().__init__("it does not wait any more; load the page again")


def lease_of(kind: str) -> str:
    """The name of the lease that whoever runs an errand holds."""
    return f"errand {kind}"


def ask(connection: Connection, kind: Kind, *, actor: str, reason: str, now: datetime) -> str:
    """Write an errand down, audited, in the caller's writing transaction; returns its id.

    Raises:
        OpenErrandError: another is open.
    """
    take_turns(connection)
    if not is_run(connection, kind, now):
        bury(connection, kind, now)
    found = find_open(connection, kind)
    if found is not None:
        raise OpenErrandError(found)
    errand_id = str(uuid7())
    row = {"errand_id": errand_id, "kind": kind, "asked_at": now, "actor": actor[:200],
           "reason": reason, "state": WAITING}  # fmt: skip
    connection.execute(insert(errands).values(row))
    told = {"reason": reason}
    record(connection, actor=actor, action=f"ask for a {kind}", subject=errand_id, detail=told,
           now=now)  # fmt: skip
    return errand_id


def withdraw(connection: Connection, errand_id: str, *, actor: str, now: datetime) -> None:
    """Give up an errand that nobody has begun.

    Raises:
        NotWaitingError: it has begun, is over, or never was.
    """
    take_turns(connection)
    mine = (errands.c.errand_id == errand_id) & (errands.c.state == WAITING)
    over = {"state": WITHDRAWN, "finished_at": now, "told": f"withdrawn by {actor}"}
    if connection.execute(update(errands).where(mine).values(over)).rowcount != 1:
        raise NotWaitingError
    record(connection, actor=actor, action="withdraw", subject=errand_id, detail={}, now=now)


def find_open(connection: Connection, kind: str) -> Row[Any] | None:
    """The errand of a kind that waits or runs."""
    query = select(errands).where(errands.c.kind == kind, errands.c.state.in_([WAITING, RUNNING]))
    return connection.execute(query.order_by(errands.c.asked_at)).first()


def newest(connection: Connection, most: int) -> list[Row[Any]]:
    """The newest errands of both kinds, newest first."""
    order = (errands.c.asked_at.desc(), errands.c.errand_id.desc())
    return list(connection.execute(select(errands).order_by(*order).limit(most)))


def is_run(connection: Connection, kind: str, now: datetime) -> bool:
    """Whether a living process runs errands of this kind; it renews its lease as long as it does.

    Args:
        now: the machine's time.
    """
    query = select(leases.c.expires_at).where(leases.c.name == lease_of(kind))
    until = connection.execute(query).scalar_one_or_none()
    return until is not None and until > now


def bury(connection: Connection, kind: str, now: datetime) -> int:
    """Mark failed what a dead process has left running; only where no living one runs any."""
    dead = (errands.c.kind == kind) & (errands.c.state == RUNNING)
    over = {"state": FAILED, "finished_at": now, "told": DIED}
    return connection.execute(update(errands).where(dead).values(over)).rowcount
