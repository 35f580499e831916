"""What the pages of models need of the database, in a handful of small queries."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from contracts.registry import Champion, champion
from contracts.tables import AWAITING, model_versions, retrains, stage_changes
from contracts.traffic import TrafficChange, current_traffic

SHOWN_CHANGES = 25  # of who is champion, on one page
DRAWN_CHANGES = 600  # the newest ones, in the picture
READ_VERSIONS = 300  # the newest ones; a year of recalibrations has fewer
_FACTS = ("version", "registered_at", "trained_from", "trained_until", "made")


@dataclass(frozen=True)
class Version:
    """A registered version; `made` says when, where and from what."""

    version: str
    registered_at: datetime
    trained_from: datetime
    trained_until: datetime
    made: dict[str, Any]


@dataclass(frozen=True)
class Facts:
    """What the database knows at a moment.

    Attributes:
        versions: the newest, newest first.
        reigned: whoever has ever been champion.
        awaiting: challengers that wait for a person's word.
    """

    now: datetime
    champion: Champion | None
    traffic: TrafficChange | None
    versions: list[Version]
    reigned: frozenset[str]
    awaiting: frozenset[str]


def read_facts(
    connection: Connection, now: datetime, also: str | None = None, most: int = READ_VERSIONS
) -> Facts:
    """The newest versions and who was champion; metrics stay where they are.

    Args:
        also: a version that is wanted however old it is.
    """
    registered = select(*(model_versions.c[name] for name in _FACTS))
    order = (model_versions.c.registered_at.desc(), model_versions.c.version)
    rows = list(connection.execute(registered.order_by(*order).limit(most)))
    if also is not None and all(row.version != also for row in rows):
        rows += connection.execute(registered.where(model_versions.c.version == also))
    versions = [_version(row) for row in rows]
    waiting = select(retrains.c.challenger_version).where(retrains.c.state == AWAITING)
    return Facts(
        now,
        champion(connection),
        current_traffic(connection),
        versions,
        frozenset(connection.execute(select(stage_changes.c.version).distinct()).scalars()),
        frozenset(connection.execute(waiting).scalars()),
    )


def read_reigns(connection: Connection) -> list[tuple[datetime, str]]:
    """When each of the newest changes made which version champion, oldest first."""
    changed = select(stage_changes.c.changed_at, stage_changes.c.version)
    newest = changed.order_by(stage_changes.c.change_id.desc()).limit(DRAWN_CHANGES)
    return [(at, version) for at, version in connection.execute(newest)][::-1]


def is_registered(connection: Connection, version: str) -> bool:
    """Whether it is a version at all."""
    if not (version.isascii() and version.isprintable()):
        return False
    query = select(model_versions.c.version).where(model_versions.c.version == version)
    return connection.execute(query).first() is not None


def _version(row: Row[Any]) -> Version:
    learned = (row.trained_from, row.trained_until)
    return Version(row.version, row.registered_at, *learned, json.loads(row.made))


def read_metrics(connection: Connection, wanted: list[str]) -> dict[str, dict[str, Any]]:
    """What evaluation found of versions."""
    query = select(model_versions.c.version, model_versions.c.metrics)
    rows = connection.execute(query.where(model_versions.c.version.in_(wanted)))
    return {row.version: json.loads(row.metrics) for row in rows}


def read_changes(
    connection: Connection, before: int | None, version: str | None = None
) -> list[Row[Any]]:
    """Changes of the champion, newest first; one more than is shown where there are more.

    Args:
        before: only those before this change.
        version: only those that made it champion or took that from it.
    """
    query = select(stage_changes).order_by(stage_changes.c.change_id.desc())
    if before is not None:
        query = query.where(stage_changes.c.change_id < before)
    if version is not None:
        one = stage_changes.c.version == version
        query = query.where(one | (stage_changes.c.previous_version == version))
    return list(connection.execute(query.limit(SHOWN_CHANGES + 1)))


def read_retrain(connection: Connection, challenger: str) -> dict[str, Any] | None:
    """The retrain that made a version, with what the gate said; None = there was none."""
    query = select(retrains).where(retrains.c.challenger_version == challenger)
    row = connection.execute(query.order_by(retrains.c.started_at.desc())).first()
    return None if row is None else {**row._asdict(), "verdict": json.loads(row.verdict)}
