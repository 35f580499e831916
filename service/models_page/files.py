"""What a version's bundle says of it: its manifest, its schema and its model card.

Each file is compared with its digest before it is parsed, and no other file is read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.bundle_files import MANIFEST, VERSION_LENGTH, BundleError, digest, read_file

CARD = "model_card.html"


@dataclass(frozen=True)
class Made:
    """What a version was made from."""

    manifest: Mapping[str, Any]
    schema: Mapping[str, Any]


def read_made(bundles: Path, version: str) -> Made | None:
    """Manifest and schema; None = they are gone, or were altered.

    Args:
        version: a registered one.
    """
    try:
        manifest = _manifest(bundles / version, version)
        return Made(manifest, json.loads(_file(bundles / version, manifest, "schema.json")))
    except (BundleError, OSError, ValueError):
        return None


def read_card(bundles: Path, version: str) -> bytes | None:
    """The model card as a page; None = as read_made, or it has none."""
    try:
        return _file(bundles / version, _manifest(bundles / version, version), CARD)
    except (BundleError, OSError, ValueError):
        return None


def _manifest(directory: Path, version: str) -> dict[str, Any]:
    content = read_file(directory / MANIFEST)
    if digest(content)[:VERSION_LENGTH] != version:
        raise BundleError(f"{directory} holds another bundle")
    found = json.loads(content)
    if not isinstance(found, dict):
        raise BundleError(f"{directory / MANIFEST} is not a manifest")
    return found


def _file(directory: Path, manifest: Mapping[str, Any], name: str) -> bytes:
    content = read_file(directory / name)
    if digest(content) != manifest.get("files", {}).get(name):
        raise BundleError(f"{name} in {directory} was altered")
    return content
