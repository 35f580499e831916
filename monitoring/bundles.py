"""Removes files of versions that nobody will ask for again; docs/data-life.md has the rule.

Their rows stay and say so. A recalibration is its model with other offsets, and both are known, so
its files can be made again; what was trained is kept while a prediction names it.
"""

import os
import shutil
import tempfile
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, select

from contracts.audit import record
from contracts.bundle import OFFSETS, RECALIBRATES, Bundle, load_bundle
from contracts.bundle_files import MANIFEST, digest
from contracts.database import write_transaction
from contracts.lineage import describe_retired, facts_of, retire, retired, trained
from contracts.registry import champion, family, take_turns, versions
from contracts.stages import champions
from contracts.tables import predictions, retrains, shadow_predictions
from contracts.traffic import current_traffic
from monitoring.attempts import UNFINISHED
from monitoring.recalibrate import save_recalibrated

LAST_REIGNS = 5  # that a rollback may return to
ACTOR = "retention"


class GoneError(LookupError):
    """A version's files are gone, and cannot be made again; the message says since when."""


def remove_old_bundles(engine: Engine, bundles: Path, days: int | None, now: datetime) -> list[str]:
    """Retire versions that were registered more than `days` ago and that nothing refers to.

    Args:
        days: None = nothing is removed.
    """
    if days is None:
        return []
    why = f"older than {days} days, and nothing refers to it"
    named = removable_bundles(engine, bundles, days, now)
    return remove_bundles(engine, bundles, named, why, now)


def removable_bundles(engine: Engine, bundles: Path, days: int, now: datetime) -> list[str]:
    """What remove_old_bundles would remove."""
    with engine.connect() as connection:
        old = [
            row.version
            for row in versions(connection)
            if row.registered_at < now - timedelta(days=days) and (bundles / row.version).is_dir()
        ]
        asked = set(old) - _needed(connection)
        unasked = asked - _answered(connection, asked)
    return [version for version in old if version in unasked]


def remove_bundles(
    engine: Engine,
    bundles: Path,
    named: Iterable[str],
    why: str,
    now: datetime,
    actor: str = ACTOR,
) -> list[str]:
    """Retire those of the named versions that nobody needs today; the audit log has it.

    Returns:
        The versions.
    """
    done = []
    for version in named:
        # A crash leaves it to monitoring.recovery.
        aside = bundles / f".{version}.{os.getpid()}.tmp"
        with write_transaction(engine) as connection:
            take_turns(connection)
            if version in answering(connection):
                continue
            retire(connection, version, why, now)
            record(connection, actor=actor, action="bundle removed", subject=version,
                   detail={"why": why}, now=now)  # fmt: skip
            if (bundles / version).is_dir():
                (bundles / version).rename(aside)
        shutil.rmtree(aside, ignore_errors=True)
        done.append(version)
    return done


def answering(connection: Connection) -> set[str]:
    """The champion, the other side of divided traffic, and the models that they recalibrate."""
    current, traffic = champion(connection), current_traffic(connection)
    both = {current.version if current else None, traffic.rule.version if traffic else None}
    return _with_models(connection, {version for version in both if version})


def _needed(connection: Connection) -> set[str]:
    """What answers, is judged, or may be returned to, with its model."""
    found = answering(connection)
    reigns = champions(connection)
    found.update(reigns[:LAST_REIGNS])
    if reigns:  # and where a rollback past this model ends
        own = family(connection, reigns[0])
        found.update([each for each in reigns if each not in own][:1])
    newest = (
        select(retrains).where(retrains.c.state == "promoted")
        .order_by(retrains.c.finished_at.desc()).limit(1)
    )  # fmt: skip
    for query in (newest, select(retrains).where(UNFINISHED)):
        for row in connection.execute(query):
            found |= {row.champion_version, row.challenger_version or row.champion_version}
    return _with_models(connection, found)


def _with_models(connection: Connection, found: set[str]) -> set[str]:
    return found | {trained(connection, version) for version in found}


def _answered(connection: Connection, asked: set[str]) -> set[str]:
    """Trained versions that have answered, themselves or recalibrated."""
    models = {version for version in asked if trained(connection, version) == version}
    if not models:
        return set()
    tables = (predictions, shadow_predictions)
    names = {
        name
        for table in tables
        for name in connection.execute(select(table.c.model_version).distinct()).scalars()
    }
    return models & {trained(connection, name) for name in names}


def load_again(connection: Connection, bundles: Path, version: str) -> tuple[Bundle, str]:
    """A version's bundle, made again from its model where it was a recalibration that is gone.

    Returns:
        The bundle, and the SHA-256 of its manifest.

    Raises:
        GoneError: it was removed, and is no recalibration, or its model is gone too.
        BundleError: its files are damaged, or gone without a word.
    """
    facts = facts_of(connection, version)
    if (bundles / version).is_dir() or version not in retired(connection):
        return _loaded(bundles / version)
    base = facts.get(RECALIBRATES)
    if base is None or not (bundles / base).is_dir():
        raise GoneError(describe_retired(version, facts))
    with tempfile.TemporaryDirectory(prefix="perennial-") as directory:
        again = Path(directory) / version
        if save_recalibrated(load_bundle(bundles / base), tuple(facts[OFFSETS]), again) != version:
            raise GoneError(f"{describe_retired(version, facts)}; today's code makes another of it")
        return _loaded(again)


def _loaded(directory: Path) -> tuple[Bundle, str]:
    return load_bundle(directory), digest((directory / MANIFEST).read_bytes())
