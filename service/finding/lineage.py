"""What a version came from, as its manifest and the registry tell it; no model is loaded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select

from contracts.bundle import RECALIBRATES, UPDATES
from contracts.bundle_files import MANIFEST, VERSION_LENGTH, digest
from contracts.lineage import RETIRED, describe_retired, facts_of
from contracts.schema import FeatureSchema, SchemaError
from contracts.tables import checks

KEPT_VERSIONS = 16


@dataclass(frozen=True)
class Made:
    """What two small files of a bundle say, whose digests were found to be right."""

    digest: str
    manifest: Mapping[str, Any]
    schema: FeatureSchema


@dataclass(frozen=True)
class Lineage:
    """Where an answer comes from.

    Attributes:
        steps: name and value, in the order in which `python -m monitoring.why` tells them.
        schema: of the version; None = its files cannot be read, and `gone` says why.
        check: the first whose window has the row; None = not checked yet.
    """

    steps: list[tuple[str, str]]
    schema: FeatureSchema | None
    gone: str
    check: Row[Any] | None
    state: str


def find_lineage(connection: Connection, bundles: Path, row: Mapping[str, Any]) -> Lineage:
    """All that is kept of where a logged row's answer comes from."""
    version = row["model_version"]
    facts, check = facts_of(connection, version), _check(connection, row)
    made = None if RETIRED in facts else read_made(bundles, version)
    gone = "" if made else f"the bundle of version {version} cannot be read here"
    if RETIRED in facts:
        gone = describe_retired(version, facts)
    return Lineage(_steps(facts, made), made.schema if made else None, gone, check, _state(check))


def read_made(bundles: Path, version: str) -> Made | None:
    """What a bundle says of itself; None = it is gone, or not what it was."""
    try:
        return _read(bundles, version)
    except (OSError, SchemaError, ValueError, KeyError):
        return None


@lru_cache(KEPT_VERSIONS)
def _read(bundles: Path, version: str) -> Made:
    content = (bundles / version / MANIFEST).read_bytes()
    schema = (bundles / version / "schema.json").read_bytes()
    manifest = json.loads(content)
    if digest(content)[:VERSION_LENGTH] != version:
        raise ValueError(f"{version} has another manifest")
    if digest(schema) != manifest["files"]["schema.json"]:
        raise ValueError(f"{version} has another schema")
    return Made(digest(content), manifest, FeatureSchema.from_json(schema))


def _steps(facts: Mapping[str, Any], made: Made | None) -> list[tuple[str, str]]:
    told = [("git commit", facts.get("commit", "unknown"))]
    if made is None:
        return told
    manifest = made.manifest
    told += [("bundle, SHA-256", made.digest)]
    told += [(f"{name}, SHA-256", manifest.get(name, "unknown")) for name in ("data", "params")]
    told += [("learned from", f"{manifest['trained_from']} to {manifest['trained_until']}")]
    for name, said in ((RECALIBRATES, "recalibrates"), (UPDATES, "updated from")):
        told += [(said, manifest[name])] if name in manifest else []
    return [(name, str(value)) for name, value in told]


def _check(connection: Connection, row: Mapping[str, Any]) -> Row[Any] | None:
    at = row["event_time"]
    holds = (checks.c.window_from <= at) & (checks.c.window_to > at)
    query = select(checks).where(holds).order_by(checks.c.checked_at).limit(1)
    return connection.execute(query).one_or_none()


def _state(check: Row[Any] | None) -> str:
    if check is None:
        return ""
    return str((json.loads(check.findings).get("inputs") or {}).get("state", "not judged"))
