"""What the page of monitoring needs of the database; findings of one page of checks, no more."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Row, Select, Table, select, tuple_

from contracts.errands import newest
from contracts.tables import SCHEDULER, checks, decisions, leases, retrains
from service.check_page.findings import section

SHOWN_CHECKS = 20  # findings are large
SHOWN_DECISIONS = 25
SHOWN_RETRAINS = 10
SHOWN_ERRANDS = 4
_WITHOUT_FINDINGS = tuple(column for column in checks.c if column.name != "findings")


@dataclass(frozen=True)
class Part:
    """Rows of one page, newest first; `older` names the last where there are more."""

    rows: list[dict[str, Any]]
    older: str | None


@dataclass(frozen=True)
class Live:
    """What changes while somebody looks.

    Attributes:
        errands: what was asked for, newest first.
        under_way: the retrain that runs; None = none does.
        scheduler_until: until when a scheduler has said that it lives; None = none ever ran.
    """

    now: datetime
    errands: list[Row[Any]]
    under_way: Row[Any] | None
    scheduler_until: datetime | None

    @property
    def lives(self) -> bool:
        return self.scheduler_until is not None and self.scheduler_until > self.now


def read_live(connection: Connection, now: datetime) -> Live:
    """The state of monitoring at this moment."""
    running = select(retrains).where(retrains.c.finished_at.is_(None))
    alive = select(leases.c.expires_at).where(leases.c.name == SCHEDULER)
    return Live(
        now,
        newest(connection, SHOWN_ERRANDS),
        connection.execute(running.order_by(retrains.c.started_at.desc())).first(),
        connection.execute(alive).scalar_one_or_none(),
    )


def read_checks(connection: Connection, before: str | None) -> Part:
    """A page of checks with their findings.

    Args:
        before: the id of a check; only older ones then.
    """
    part = _page(connection, checks, "check_id", "checked_at", before, SHOWN_CHECKS)
    return Part([_check(row) for row in part.rows], part.older)


def read_decisions(connection: Connection, before: str | None, *, every: bool) -> Part:
    """A page of the ledger of decisions.

    Args:
        every: recalibrations too, which are decided several times a day.
    """
    only = None if every else decisions.c.action != "recalibrate"
    return _page(connection, decisions, "decision_id", "decided_at", before, SHOWN_DECISIONS, only)


def read_retrains(connection: Connection, before: str | None) -> Part:
    """A page of retrains, with what the gate said."""
    part = _page(connection, retrains, "retrain_id", "started_at", before, SHOWN_RETRAINS)
    return Part([{**row, "verdict": json.loads(row["verdict"])} for row in part.rows], part.older)


def read_table(connection: Connection, name: str, most: int) -> list[dict[str, Any]]:
    """The newest rows of a table that can be downloaded; checks without their findings."""
    columns, moment = {
        "checks": (_WITHOUT_FINDINGS, checks.c.checked_at),
        "decisions": (tuple(decisions.c), decisions.c.decided_at),
        "retrains": (tuple(retrains.c), retrains.c.started_at),
    }[name]
    query: Select[Any] = select(*columns).order_by(moment.desc()).limit(most)
    return [row._asdict() for row in connection.execute(query)]


def _page(
    connection: Connection,
    table: Table,
    key: str,
    moment: str,
    before: str | None,
    most: int,
    only: Any = None,
) -> Part:
    """Rows of a table by time and key; an unknown `before` leads to the newest."""
    order: tuple[Column[Any], Column[Any]] = (table.c[moment], table.c[key])
    query = select(table).order_by(*(each.desc() for each in order)).limit(most + 1)
    if only is not None:
        query = query.where(only)
    since = _find(connection, table, key, before)
    if since is not None:
        query = query.where(tuple_(*order) < tuple_(since[moment], since[key]))
    rows = [row._asdict() for row in connection.execute(query)]
    return Part(rows[:most], rows[most - 1][key] if len(rows) > most else None)


def _find(
    connection: Connection, table: Table, key: str, name: str | None
) -> Mapping[str, Any] | None:
    if name is None or not (name.isascii() and name.isprintable()):
        return None
    row = connection.execute(select(table).where(table.c[key] == name)).one_or_none()
    return None if row is None else row._asdict()


def _check(row: dict[str, Any]) -> dict[str, Any]:
    found = json.loads(row["findings"])
    state = str(section(found, "inputs").get("state", "not judged"))
    return {**row, "state": state, "findings": found}
