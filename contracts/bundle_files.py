"""The files of a bundle: which there are in each format, and how they are stored and verified."""

import gzip
import hashlib
import io
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FORMAT = 4
READABLE = (1, 2, 3, 4)
MANIFEST = "manifest.json"
ONNX = "model.onnx"  # absent where ONNX would answer differently: served from model.skops
GOLDEN = "golden.parquet"  # absent where the table was too short to set rows aside, or none asked
REQUIRED = frozenset(
    {
        "schema.json",
        "model.skops",
        "reference.parquet",
        "unseen.parquet",
        "metrics.json",
        "model_card.md",
        "model_card.html",
    }
)
# Up to format 2 the reference held the model's answers to rows that it had learned from.
FILES_OF_FORMAT_2 = REQUIRED - {"unseen.parquet"}
FILES_OF_FORMAT_1 = (FILES_OF_FORMAT_2 | {ONNX}) - {"model_card.html"}
FILES = {1: FILES_OF_FORMAT_1, 2: FILES_OF_FORMAT_2, 3: REQUIRED, 4: REQUIRED}
# What a bundle may have besides; only the newest format has golden rows.
OPTIONAL = {1: {ONNX}, 2: {ONNX}, 3: {ONNX}, 4: {ONNX, GOLDEN}}
# A large forest is mostly repetition; the other files are compressed by their own formats.
COMPRESSED = ".gz"
COMPRESS_FROM_BYTES = 1_000_000
VERSION_LENGTH = 12


class BundleError(ValueError):
    """A bundle is incomplete, altered or of another format; nothing of it was used."""


def digest(content: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def read_verified(directory: Path) -> tuple[dict[str, Any], dict[str, bytes], str]:
    """Manifest, files as they are stored, and version.

    Raises:
        BundleError: a file is missing, extra, a link, or does not match its digest.
    """
    if not directory.is_dir():
        raise BundleError(f"no bundle at {directory}")
    content = read_file(directory / MANIFEST)
    manifest = _parse_manifest(content, directory)
    for entry in directory.iterdir():
        known = entry.name in {MANIFEST, *manifest["files"]}
        if entry.is_symlink() or not entry.is_file() or not known:
            raise BundleError(f"{entry.name} does not belong in the bundle {directory}")
    stored = {name: read_file(directory / name) for name in sorted(manifest["files"])}
    for name, expected in manifest["files"].items():
        if digest(stored[name]) != expected:
            raise BundleError(f"{name} in {directory} was altered: its digest does not match")
    return manifest, stored, digest(content)[:VERSION_LENGTH]


def compress(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Files as they are stored."""
    stored = dict(files)
    if len(stored.get(ONNX, b"")) >= COMPRESS_FROM_BYTES:
        stored[ONNX + COMPRESSED] = gzip.compress(stored.pop(ONNX), mtime=0)
    return stored


def decompress(
    stored: dict[str, bytes], manifest: dict[str, Any], directory: Path
) -> dict[str, bytes]:
    """Files as they were; `stored` is used up.

    Raises:
        BundleError: one is larger or smaller than its manifest says.
    """
    packed = stored.pop(ONNX + COMPRESSED, None)
    if packed is not None:
        size = manifest["sizes"][ONNX]
        with gzip.open(io.BytesIO(packed)) as file:
            stored[ONNX] = file.read(size + 1)  # never more than was promised
        if len(stored[ONNX]) != size:
            raise BundleError(f"{ONNX} in {directory} is not of the size that its manifest says")
    return stored


def _parse_manifest(content: bytes, directory: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(content)
        found, names = manifest["format"], set(manifest["files"])
    except (ValueError, KeyError, TypeError):
        raise BundleError(f"{directory / MANIFEST} is not a manifest") from None
    if found not in READABLE:
        raise BundleError(f"{directory} has bundle format {found}, this code reads {READABLE}")
    plain = {name.removesuffix(COMPRESSED) for name in names}
    expected = FILES[found]
    if plain - (OPTIONAL[found] - expected) != expected:
        raise BundleError(f"{directory} lists {sorted(names)}, not {sorted(expected)}")
    return manifest


def read_file(path: Path) -> bytes:
    """The content of a bundle's file.

    Raises:
        BundleError: it is missing.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise BundleError(f"{path.name} is missing in the bundle {path.parent}") from None


def write_directory(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write files to a temporary directory, fsync them, and rename it into place."""
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
