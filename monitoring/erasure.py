"""Erases what belongs to a subject, step by step; monitoring/erase.py is the command."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, Engine, delete, select, tuple_, update

from contracts.database import write_transaction
from contracts.settings import Settings
from contracts.subject import Subject
from contracts.tables import AWAITING, CANARY, audit_log, checks, idempotency_keys, retrains
from monitoring.deletion import delete_paced
from monitoring.history import updates
from monitoring.scrub import scrub
from monitoring.whereabouts import Found, ask_spool, ids_of, pieces

POLL_SECONDS = 0.5
BEGAN = "erasure began"  # an entry of the audit log
MOST_FAILURES = 3
_ID = re.compile(r"[0-9a-f-]{36}")


@dataclass
class Erasure:
    """What was erased.

    Attributes:
        spooled, quarantined: rows and pieces of the spool.
        finished: nothing waits any more in a spool that a running service holds.
        remarks: what a person should know.
    """

    predictions: int = 0
    outcomes: int = 0
    spooled: int = 0
    quarantined: int = 0
    answers: int = 0
    reports: int = 0
    working_files: int = 0
    bundles: list[str] = field(default_factory=list)
    finished: bool = True
    remarks: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, int]:
        numbers = {name: value for name, value in vars(self).items() if type(value) is int}
        return {name.replace("_", " "): value for name, value in numbers.items()}


def erase(
    engine: Engine,
    settings: Settings,
    subject: Subject,
    found: Found,
    *,
    may_go_on: Callable[[Connection], bool],
    wait_seconds: float,
) -> Erasure:
    """Erase what is ours to erase; repeat until no spool of a running service holds anything.

    Args:
        may_go_on: asked in every transaction that deletes rows; no = the rest stays.
        wait_seconds: how long a running service is given to replay, and again to empty its log.
    """
    done, ids = Erasure(), set(found.ids | subject.ids)
    finished = _erase_rows(engine, settings, subject, ids, done, may_go_on)
    may_wait = _for(wait_seconds)
    while not finished and may_wait():
        time.sleep(POLL_SECONDS)
        finished = _erase_rows(engine, settings, subject, ids, done, may_go_on)
    done.answers = _delete_answers(engine, ids)
    done.reports = _delete_reports(engine, found.pages)
    done.working_files = _delete_files(found.copies)
    done.remarks += scrub(engine, subject, _for(wait_seconds))
    if not settings.spool_dir.is_dir() and engine.dialect.name != "sqlite":
        done.remarks.append(
            f"no spool at {settings.spool_dir}: where services run elsewhere, run "
            "`python -m service.forget` there"
        )
    if not done.finished:
        done.remarks.append(
            "not finished: rows wait in the spool of a running service, or another took over; "
            "run this again"
        )
    return done


def _for(seconds: float) -> Callable[[], bool]:
    """Whether so much time is not over yet."""
    end = time.monotonic() + seconds
    return lambda: time.monotonic() < end


def _erase_rows(
    engine: Engine,
    settings: Settings,
    subject: Subject,
    ids: set[str],
    done: Erasure,
    may_go_on: Callable[[Connection], bool],
) -> bool:
    """Erase from the spool, then from the database what services have replayed until now.

    Args:
        ids: of rows that are known; grows.

    Returns:
        Whether nothing is left.
    """
    stopped = False

    def go_on(connection: Connection) -> bool:
        nonlocal stopped
        stopped = not may_go_on(connection)
        return not stopped

    spool = ask_spool(settings, subject.with_ids(ids), dry_run=False)
    done.spooled += spool["rows"]
    done.quarantined += spool["quarantined"]
    ids |= {*spool["ids"], *ids_of(engine, subject)}
    for deleted in delete_paced(engine, sorted(ids), go_on):
        done.predictions += deleted.predictions
        done.outcomes += deleted.outcomes
    done.finished = not spool["held"] and not stopped
    return done.finished


def wanted_retrain(connection: Connection) -> str | None:
    """Why a retrain is owed to somebody who was erased; None = none is.

    An erasure asks for it before it deletes. Whatever the gate then says of it, it is paid; after
    three that failed a person has to look.
    """
    asked = select(audit_log).where(audit_log.c.action == BEGAN)
    rows = connection.execute(asked.order_by(audit_log.c.entry_id)).all()
    moments = [row.at for row in rows if json.loads(row.detail)["retrain"]]
    if not moments:
        return None
    # An update forgets nothing.
    since = select(retrains.c.state).where(
        retrains.c.started_at >= moments[-1], retrains.c.retrain_id.not_in(updates())
    )
    states = connection.execute(since).scalars().all()
    if {"promoted", "rejected", AWAITING, CANARY, "superseded", "rolled back"} & set(
        states
    ) or states.count("failed") >= MOST_FAILURES:
        return None
    return f"asked by the erasure of {moments[-1]:%Y-%m-%d %H:%M} UTC"


def _delete_answers(engine: Engine, ids: set[str]) -> int:
    """Delete kept answers of requests with an Idempotency-Key that name one of the ids."""
    table = idempotency_keys.c
    with engine.connect() as connection:
        rows = connection.execute(select(table.owner, table.key, table.answer))
        names = [(row.owner, row.key) for row in rows if ids & set(_ID.findall(row.answer))]
    for some in pieces(names):
        with write_transaction(engine) as connection:
            theirs = tuple_(table.owner, table.key).in_(some)
            connection.execute(delete(idempotency_keys).where(theirs))
    return len(names)


def _delete_reports(engine: Engine, pages: list[Path]) -> int:
    with write_transaction(engine) as connection:
        named = checks.c.report.in_([path.name for path in pages])
        connection.execute(update(checks).where(named).values(report=None))
    return _delete_files(pages)


def _delete_files(paths: list[Path]) -> int:
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)
