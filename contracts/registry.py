"""Versions and their stages: register, promote, roll back, who is champion.

`python -m contracts.registry --help` does the same from a terminal.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, insert, select, update

from contracts.bundle import OFFSETS, RECALIBRATES, Bundle, copy_bundle, load_bundle
from contracts.database import write_transaction
from contracts.lineage import (
    RETIRED,
    Facts,
    describe_retired,
    facts_of_all,
    made_from,
    restore,
    retired,
)
from contracts.stages import append_change, audit_change, champions
from contracts.tables import AWAITING, CANARY, model_versions, retrains, stage_changes

_LOCK = 7_236_101  # names PostgreSQL's advisory lock of every change here


class UnknownVersionError(LookupError):
    """No bundle is registered under this version."""

    def __init__(self, version: str) -> None:
        super().__init__(f"no version {version!r}; `python -m contracts.registry list` shows all")


class RetiredVersionError(UnknownVersionError):
    """The version is known, and its files were removed."""

    def __init__(self, version: str, facts: Facts) -> None:
        LookupError.__init__(self, describe_retired(version, facts))


class NothingToRollBackError(LookupError):
    """The champion has no predecessor."""

    def __init__(self) -> None:
        super().__init__("the champion was the first one promoted; there is nothing to return to")


@dataclass(frozen=True)
class Champion:
    """The version that answers, and the change that made it so."""

    version: str
    change_id: int
    changed_at: datetime


def register(
    engine: Engine, bundles: Path, source: Path, now: datetime, made: Mapping[str, Any]
) -> str:
    """Verify a bundle, copy it into `bundles` and record it; a known version stays as it is.

    Args:
        made: when, where and from which commit it was made; JSON-able.

    Raises:
        BundleError: the bundle is incomplete or altered.
    """
    version = copy_bundle(source, bundles)
    bundle = load_bundle(bundles / version)
    with write_transaction(engine) as connection:
        if _find(connection, version) is None:
            row = _version_row(bundle, now, {**made_from(bundle), **made})
            connection.execute(insert(model_versions).values(row))
        elif version in retired(connection):
            copy_bundle(source, bundles)  # it may have gone since it was copied
            restore(connection, version)
    return version


def champion(connection: Connection) -> Champion | None:
    """Who answers now; None before the first promotion."""
    newest = select(stage_changes).order_by(stage_changes.c.change_id.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    return None if row is None else Champion(row.version, row.change_id, row.changed_at)


def versions(connection: Connection) -> list[Row[Any]]:
    """Rows of model_versions, newest first."""
    newest_first = select(model_versions).order_by(model_versions.c.registered_at.desc())
    return list(connection.execute(newest_first))


def family(connection: Connection, version: str) -> dict[str, tuple[float, ...]]:
    """The offsets of a version and of all that are the same model; the trained one has none."""
    made = facts_of_all(connection)
    base = made.get(version, {}).get(RECALIBRATES, version)
    return {
        each: tuple(its.get(OFFSETS, ()))
        for each, its in {version: {}, **made}.items()
        if each == version or its.get(RECALIBRATES, each) == base
    }


def promote(
    connection: Connection, version: str, *, actor: str, reason: str, now: datetime
) -> None:
    """Make a registered version champion; already champion = no change.

    A rule for traffic ends: it was made for, and is judged against, the champion of its day.

    Raises:
        UnknownVersionError: it is not registered, or its files were removed.
    """
    take_turns(connection)
    require_version(connection, version)
    current = champion(connection)
    previous = current.version if current else None
    if previous != version:
        append_change(connection, "promote", version, previous, actor, reason, now)
    mine = retrains.c.challenger_version == version
    waited = mine & retrains.c.state.in_([AWAITING, CANARY])
    ended = {"state": "promoted", "finished_at": now}  # so that its probation begins
    connection.execute(update(retrains).where(waited).values(ended))
    audit_change(connection, "promote", version, previous, actor, reason, now)


def roll_back(connection: Connection, *, actor: str, reason: str, now: datetime) -> str:
    """Return to the champion before the current one; twice goes two back. Ends a rule, too.

    Returns:
        The version that answers from now on.

    Raises:
        NothingToRollBackError: the champion has no predecessor.
    """
    take_turns(connection)
    reigns = champions(connection)
    if len(reigns) < 2:
        raise NothingToRollBackError
    current, previous = reigns[:2]
    append_change(connection, "rollback", previous, current, actor, reason, now)
    audit_change(connection, "rollback", previous, current, actor, reason, now)
    return previous


def take_turns(connection: Connection) -> None:
    """Wait for other changes to be committed; on SQLite the write transaction has seen to it."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def require_version(connection: Connection, version: str) -> None:
    """Do nothing if a version is registered and its files are there.

    Raises:
        UnknownVersionError: it is not, or they were removed.
    """
    row = _find(connection, version)
    if row is None:
        raise UnknownVersionError(version)
    if RETIRED in (facts := json.loads(row.made)):
        raise RetiredVersionError(version, facts)


def _find(connection: Connection, version: str) -> Row[Any] | None:
    query = select(model_versions).where(model_versions.c.version == version)
    return connection.execute(query).one_or_none()


def _version_row(bundle: Bundle, now: datetime, made: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "version": bundle.version,
        "registered_at": now,
        "trained_from": datetime.fromisoformat(bundle.manifest["trained_from"]),
        "trained_until": datetime.fromisoformat(bundle.manifest["trained_until"]),
        "metrics": json.dumps(bundle.metrics),
        "made": json.dumps(dict(made)),
    }


if __name__ == "__main__":
    from contracts.registry_command import main

    main()
