"""The bundle: a content-addressed directory that training hands to serving.

Its version is the SHA-256 of manifest.json, which holds the digest of every other file.
Time and place of making stay outside (registry.py), so that the same inputs give the same bytes.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.onnx_model import OnnxModel
from contracts.schema import FeatureSchema

FORMAT = 1
MANIFEST = "manifest.json"
FILES = frozenset(
    {
        "schema.json",
        "model.onnx",
        "model.skops",
        "reference.parquet",
        "metrics.json",
        "model_card.md",
    }
)
VERSION_LENGTH = 12


class BundleError(ValueError):
    """A bundle is incomplete, altered or of another format; nothing of it was used."""


@dataclass(frozen=True)
class Bundle:
    """A verified bundle, held in memory so that what was verified is what is used."""

    version: str
    manifest: Mapping[str, Any]
    files: Mapping[str, bytes]

    @property
    def schema(self) -> FeatureSchema:
        return FeatureSchema.from_json(self.files["schema.json"])

    @property
    def metrics(self) -> dict[str, Any]:
        metrics: dict[str, Any] = json.loads(self.files["metrics.json"])
        return metrics

    def model(self) -> OnnxModel:
        return OnnxModel(self.files["model.onnx"], self.schema)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def save_bundle(directory: Path, files: Mapping[str, bytes], facts: Mapping[str, Any]) -> str:
    """Write a bundle: to a temporary directory, fsynced, then renamed into place.

    Args:
        files: content of every file in FILES.
        facts: what the manifest says besides digests (libraries, data, params, lock); nothing
            that depends on when or where the bundle was made.

    Returns:
        The version.

    Raises:
        BundleError: `files` is not exactly FILES.
    """
    if set(files) != FILES:
        raise BundleError(f"a bundle has exactly {sorted(FILES)}, not {sorted(files)}")
    digests = {name: digest(files[name]) for name in sorted(files)}
    content = {"format": FORMAT, "files": digests, **facts}
    manifest = (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
    _write_directory(directory, {MANIFEST: manifest, **files})
    return digest(manifest)[:VERSION_LENGTH]


def load_bundle(directory: Path) -> Bundle:
    """Read a bundle after verifying every digest; nothing is parsed before, nothing unpickled.

    Raises:
        BundleError: a file is missing, extra, a link, or does not match its digest.
    """
    if not directory.is_dir():
        raise BundleError(f"no bundle at {directory}")
    for entry in directory.iterdir():
        if entry.is_symlink() or not entry.is_file() or entry.name not in FILES | {MANIFEST}:
            raise BundleError(f"{entry.name} does not belong in the bundle {directory}")
    content = {name: _read(directory / name) for name in (MANIFEST, *sorted(FILES))}
    version = digest(content[MANIFEST])[:VERSION_LENGTH]
    manifest = _parse_manifest(content.pop(MANIFEST), directory)
    for name, expected in manifest["files"].items():
        if digest(content[name]) != expected:
            raise BundleError(f"{name} in {directory} was altered: its digest does not match")
    return Bundle(version, manifest, content)


def copy_bundle(source: Path, bundles: Path) -> str:
    """Verify `source` and copy it to `bundles/<version>`; already there and whole = nothing to do.

    Raises:
        BundleError: as load_bundle.
    """
    bundle = load_bundle(source)
    target = bundles / bundle.version
    if not target.exists():
        _write_directory(target, {MANIFEST: _read(source / MANIFEST), **bundle.files})
    elif load_bundle(target).version != bundle.version:
        raise BundleError(f"{target} holds another bundle; move it away and register again")
    return bundle.version


def _parse_manifest(content: bytes, directory: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(content)
        found, names = manifest["format"], set(manifest["files"])
    except (ValueError, KeyError, TypeError):
        raise BundleError(f"{directory / MANIFEST} is not a manifest") from None
    if found != FORMAT:
        raise BundleError(f"{directory} has bundle format {found}, this code reads {FORMAT}")
    if names != FILES:
        raise BundleError(f"{directory} lists {sorted(names)}, not {sorted(FILES)}")
    return manifest


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BundleError(f"{path.name} is missing in the bundle {path.parent}") from None


def _write_directory(directory: Path, files: Mapping[str, bytes]) -> None:
    directory.parent.mkdir(parents=True, exist_ok=True)
    temporary = directory.with_name(f".{directory.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for name, content in files.items():
        with (temporary / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    _fsync_directory(temporary)
    shutil.rmtree(directory, ignore_errors=True)
    temporary.rename(directory)
    _fsync_directory(directory.parent)


def _fsync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
