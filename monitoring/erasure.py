"""What belongs to a subject, and its erasure step by step; monitoring/erase.py is the command.

The spool is the service's own: `python -m service.forget` looks into it, as a command.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, select, tuple_, update

from contracts.database import write_transaction
from contracts.registry import champion, versions
from contracts.settings import Settings
from contracts.subject import Subject
from contracts.tables import (
    audit_log,
    checks,
    idempotency_keys,
    outcomes,
    predictions,
    retrains,
)
from contracts.traffic import current_traffic
from monitoring.deletion import Deleted, delete_paced
from monitoring.scrub import scrub
from monitoring.traces import bundles_that_hold, files_that_hold, tracked_files

PAGE_ROWS = 5000
LOOKUP_IDS = 500
POLL_SECONDS = 0.5
BEGAN = "erasure began"  # an entry of the audit log
MOST_FAILURES = 3
_ID = re.compile(r"[0-9a-f-]{36}")


class SpoolError(RuntimeError):
    """The spool could not be looked into."""

    def __init__(self, cause: str) -> None:
        super().__init__(
            f"python -m service.forget: {cause}; it needs the service's requirements and "
            "PERENNIAL_SPOOL_DIR. Nothing was erased"
        )


@dataclass(frozen=True)
class Found:
    """What there is of a subject.

    Attributes:
        ids: of predictions in the database; `spooled`: rows that wait in spools.
        learned: versions that may have learned from a row with its outcome, or from a table.
        referenced: versions whose bundle has a row in its reference sample.
        pages: reports; `copies`: files of working copies and their logs.
        tracked: files of the project and of DVC's cache.
    """

    ids: frozenset[str]
    spooled: int
    learned: list[str]
    referenced: list[str]
    pages: list[Path]
    copies: list[Path]
    tracked: list[Path]

    @property
    def versions(self) -> list[str]:
        return sorted({*self.learned, *self.referenced})

    def counts(self) -> dict[str, int]:
        return {"predictions": len(self.ids), "spooled rows": self.spooled,
                "reports": len(self.pages), "working files": len(self.copies)}  # fmt: skip


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
        return {name: value for name, value in vars(self).items() if type(value) is int}


def look_for(engine: Engine, settings: Settings, subject: Subject) -> Found:
    """Look everywhere, and change nothing.

    Raises:
        SpoolError: the spool cannot be looked into.
    """
    spool = _forget(settings, subject, dry_run=True)
    ids = frozenset(ids_of(engine, subject))
    tracked = list(tracked_files(settings.project_dir, subject))
    table = settings.project_dir / "data" / "table"
    with engine.connect() as connection:
        everyone = [row.version for row in versions(connection)]
        learned = _learned(connection, ids)
    return Found(
        ids,
        spool["rows"],
        everyone if any(table in path.parents for path in tracked) else learned,
        bundles_that_hold(settings.bundles_dir, subject),
        list(files_that_hold(settings.reports_dir, subject)),
        list(files_that_hold(settings.work_dir, subject)),
        tracked,
    )


def ids_of(engine: Engine, subject: Subject) -> Iterator[str]:
    """Ids of the subject's predictions in the database, read in short transactions."""
    name, last = predictions.c.prediction_id, ""
    query = select(name, predictions.c.features).order_by(name).limit(PAGE_ROWS)
    if subject.column is None:
        query = query.where(name.in_(subject.ids))
    while True:
        with engine.connect() as connection:
            page = connection.execute(query.where(name > last)).all()
        yield from (row.prediction_id for row in page if subject.owns(*row))
        if len(page) < PAGE_ROWS:
            return
        last = page[-1].prediction_id


def erase(
    engine: Engine,
    settings: Settings,
    subject: Subject,
    found: Found,
    may_wait: Callable[[], bool],
) -> Erasure:
    """Erase what is ours to erase; repeat until no spool of a running service holds anything."""
    done, ids = Erasure(), set(found.ids | subject.ids)
    while True:
        spool = _forget(settings, subject.with_ids(ids), dry_run=False)
        done.spooled += spool["rows"]
        done.quarantined += spool["quarantined"]
        # After the spool: what a service has replayed until now is in the database.
        ids |= {*spool["ids"], *ids_of(engine, subject)}
        deleted = sum(delete_paced(engine, sorted(ids), lambda _: True), Deleted())
        done.predictions += deleted.predictions
        done.outcomes += deleted.outcomes
        done.finished = not spool["held"]
        if done.finished or not may_wait():
            break
        time.sleep(POLL_SECONDS)
    done.answers = _delete_answers(engine, ids)
    done.reports = _delete_reports(engine, found.pages)
    done.working_files = _delete_files(found.copies)
    done.remarks = scrub(engine, subject, may_wait)
    if not done.finished:
        done.remarks.append("rows wait in the spool of a running service: run this again")
    return done


def retire_bundles(engine: Engine, bundles: Path, named: list[str]) -> list[str]:
    """Delete those of the named versions' bundles that do not answer; gives their names."""
    with engine.connect() as connection:
        current, traffic = champion(connection), current_traffic(connection)
    answering = {current and current.version, traffic and traffic.rule.version}
    retired = [version for version in named if version not in answering]
    for version in retired:
        shutil.rmtree(bundles / version)
    return retired


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
    since = select(retrains.c.state).where(retrains.c.started_at >= moments[-1])
    states = connection.execute(since).scalars().all()
    if {"promoted", "rejected"} & set(states) or states.count("failed") >= MOST_FAILURES:
        return None
    return f"asked by the erasure of {moments[-1]:%Y-%m-%d %H:%M} UTC"


def _forget(settings: Settings, subject: Subject, *, dry_run: bool) -> dict[str, Any]:
    asked = {"column": subject.column, "value": subject.value, "ids": sorted(subject.ids),
             "dry_run": dry_run}  # fmt: skip
    run = subprocess.run(
        [sys.executable, "-m", "service.forget"],
        input=json.dumps(asked),
        env={**os.environ, "PERENNIAL_SPOOL_DIR": str(settings.spool_dir)},
        capture_output=True,
        text=True,
    )
    if run.returncode:
        raise SpoolError((run.stderr.strip().splitlines() or ["no output"])[-1])
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


def _learned(connection: Connection, ids: frozenset[str]) -> list[str]:
    """Versions that were made when a row had its outcome already, and that reach up to it."""
    known: list[Row[Any]] = []
    for some in _pieces(sorted(ids)):
        first = (
            select(predictions.c.event_time, func.min(outcomes.c.recorded_at).label("recorded_at"))
            .join(outcomes, outcomes.c.prediction_id == predictions.c.prediction_id)
            .where(predictions.c.prediction_id.in_(some))
            .group_by(predictions.c.prediction_id, predictions.c.event_time)
        )
        known.extend(connection.execute(first))
    return [
        made.version
        for made in versions(connection)
        if any(
            row.event_time <= made.trained_until and row.recorded_at <= made.registered_at
            for row in known
        )
    ]


def _delete_answers(engine: Engine, ids: set[str]) -> int:
    """Delete kept answers of requests with an Idempotency-Key that name one of the ids."""
    table = idempotency_keys.c
    with engine.connect() as connection:
        rows = connection.execute(select(table.owner, table.key, table.answer))
        names = [(row.owner, row.key) for row in rows if ids & set(_ID.findall(row.answer))]
    for some in _pieces(names):
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


def _pieces(values: list[Any]) -> Iterator[list[Any]]:
    return (values[start : start + LOOKUP_IDS] for start in range(0, len(values), LOOKUP_IDS))
