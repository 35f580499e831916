"""Who may run a singleton job: one row per job, taken for a time, across processes."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, insert, select, update

from contracts.tables import leases

_LONG_PAST = datetime(1970, 1, 1, tzinfo=UTC)


class LeaseTakenError(RuntimeError):
    """Somebody else holds the lease."""

    def __init__(self, name: str, holder: str, until: datetime) -> None:
        super().__init__(f"{name} is already running at {holder}, at most until {until:%H:%M:%S}")


def take(connection: Connection, name: str, holder: str, now: datetime, length: timedelta) -> int:
    """Take or take over an expired lease.

    Returns:
        The fencing token, larger than every earlier one of this name.

    Raises:
        LeaseTakenError: it has not expired.
    """
    row = connection.execute(
        select(leases).where(leases.c.name == name).with_for_update()
    ).one_or_none()
    if row is None:
        values = {"name": name, "holder": holder, "fencing_token": 1, "expires_at": now + length}
        connection.execute(insert(leases).values(values))
        return 1
    if row.expires_at > now:
        raise LeaseTakenError(name, row.holder, row.expires_at)
    token = int(row.fencing_token) + 1
    taken = {"holder": holder, "fencing_token": token, "expires_at": now + length}
    connection.execute(update(leases).where(leases.c.name == name).values(taken))
    return token


def holds(connection: Connection, name: str, token: int) -> bool:
    """Whether nobody has taken the lease over since `token` was given out."""
    query = select(leases.c.fencing_token).where(leases.c.name == name)
    return int(connection.execute(query).scalar_one()) == token


def extend(connection: Connection, name: str, token: int, until: datetime) -> bool:
    """Hold on for longer; no = somebody has taken it over."""
    mine = (leases.c.name == name) & (leases.c.fencing_token == token)
    return connection.execute(update(leases).where(mine).values(expires_at=until)).rowcount == 1


def holder_of(connection: Connection, name: str) -> tuple[str, int]:
    """Who had the lease last, and the token; nobody = ("", 0)."""
    query = select(leases.c.holder, leases.c.fencing_token).where(leases.c.name == name)
    row = connection.execute(query).one_or_none()
    return ("", 0) if row is None else (row.holder, int(row.fencing_token))


def is_taken(connection: Connection, name: str, now: datetime) -> bool:
    """Whether somebody holds the lease."""
    until = connection.execute(select(leases.c.expires_at).where(leases.c.name == name)).scalar()
    return until is not None and until > now


def release(connection: Connection, name: str, token: int) -> None:
    """Let the next one in at once, whatever its clock says: a replay's may be in the past."""
    mine = (leases.c.name == name) & (leases.c.fencing_token == token)
    connection.execute(update(leases).where(mine).values(expires_at=_LONG_PAST))
