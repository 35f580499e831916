"""What there is of a subject, and where; changes nothing. monitoring/erasure.py erases it.

The spool is the service's own: `python -m service.forget` looks into it, as a command.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, select

from contracts.registry import versions
from contracts.settings import Settings
from contracts.subject import Subject
from contracts.tables import outcomes, predictions
from monitoring.plain_text import plain
from monitoring.traces import bundles_that_hold, files_that_hold, tracked_files

PAGE_ROWS = 5000
LOOKUP_IDS = 500


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


def look_for(engine: Engine, settings: Settings, subject: Subject) -> Found:
    """Look everywhere, and change nothing.

    Raises:
        SpoolError: the spool cannot be looked into.
    """
    spool = ask_spool(settings, subject, dry_run=True)
    ids = frozenset(ids_of(engine, subject))
    tracked = list(tracked_files(settings.project_dir, subject))
    own = [settings.project_dir / name for name in ("data", "build")]
    with engine.connect() as connection:
        everyone = [row.version for row in versions(connection)]
        learned = _learned(connection, ids)
    return Found(
        ids,
        spool["rows"],
        everyone if any(path.is_relative_to(one) for path in tracked for one in own) else learned,
        bundles_that_hold(settings.bundles_dir, subject),
        _pages(settings.reports_dir, subject),
        list(files_that_hold(settings.work_dir, subject)),
        tracked,
    )


def _pages(reports: Path, subject: Subject) -> list[Path]:
    """Pages that show the subject, as it is or as reports write it."""
    shown = replace(subject, value=plain(subject.value))
    found = {*files_that_hold(reports, subject), *files_that_hold(reports, shown)}
    return sorted(found)


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


def ask_spool(settings: Settings, subject: Subject, *, dry_run: bool) -> dict[str, Any]:
    """Have the service's command count, or erase, what waits; see service.ledger.erasing.Erased.

    Raises:
        SpoolError: it failed.
    """
    if not settings.spool_dir.is_dir():
        return {"rows": 0, "quarantined": 0, "ids": [], "held": []}
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
    for some in pieces(sorted(ids)):
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


def pieces(values: list[Any]) -> Iterator[list[Any]]:
    """So many as one statement takes."""
    return (values[start : start + LOOKUP_IDS] for start in range(0, len(values), LOOKUP_IDS))
