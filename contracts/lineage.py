"""What versions were made from, and whose files are gone, as the registry's rows tell it."""

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from contracts.bundle import OFFSETS, RECALIBRATES, Bundle
from contracts.tables import model_versions

RETIRED = "retired"  # among a version's facts: when its files were removed, and why

Facts = dict[str, Any]


def facts_of_all(connection: Connection) -> dict[str, Facts]:
    """When, where and from what each version was made."""
    found = connection.execute(select(model_versions.c.version, model_versions.c.made))
    return {row.version: json.loads(row.made) for row in found}


def facts_of(connection: Connection, version: str) -> Facts:
    """The same of one version; nothing where it is not registered."""
    query = select(model_versions.c.made).where(model_versions.c.version == version)
    made = connection.execute(query).scalar_one_or_none()
    return {} if made is None else dict(json.loads(made))


def made_from(bundle: Bundle) -> Facts:
    """What a bundle itself says of it; a recalibration may come from another machine."""
    if RECALIBRATES not in bundle.manifest:
        return {}
    offsets = list(bundle.schema.target.offsets)
    return {RECALIBRATES: bundle.manifest[RECALIBRATES], OFFSETS: offsets}


def trained(connection: Connection, version: str) -> str:
    """The version that was trained: itself, or the one that it recalibrates."""
    return str(facts_of(connection, version).get(RECALIBRATES, version))


def retired(connection: Connection) -> frozenset[str]:
    """Versions whose files were removed."""
    return frozenset(v for v, facts in facts_of_all(connection).items() if RETIRED in facts)


def retire(connection: Connection, version: str, why: str, now: datetime) -> None:
    """Write down that a version's files go; the caller removes them."""
    gone = {"at": now.isoformat(), "why": why}
    _write(connection, version, {**facts_of(connection, version), RETIRED: gone})


def restore(connection: Connection, version: str) -> None:
    """Write down that they are there again."""
    facts = facts_of(connection, version)
    _write(connection, version, {name: facts[name] for name in facts if name != RETIRED})


def describe_retired(version: str, facts: Facts) -> str:
    """A sentence on files that were removed, and how to get them again."""
    gone = facts[RETIRED]
    told = f"the files of version {version} were removed on {gone['at'][:10]}: {gone['why']}"
    if RECALIBRATES in facts:
        return f"{told}; its model is version {facts[RECALIBRATES]}, which can be promoted"
    if "commit" in facts:
        return f"{told}; commit {facts['commit']} and `dvc checkout` bring them back"
    return told


def _write(connection: Connection, version: str, facts: Facts) -> None:
    mine = model_versions.c.version == version
    connection.execute(update(model_versions).where(mine).values(made=json.dumps(facts)))
