"""The bundle: a content-addressed directory that training hands to serving.

Its version is the SHA-256 of manifest.json, which holds the digest of every other file.
Time and place of making stay outside (registry.py), so that the same inputs give the same bytes.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.onnx_model import OnnxModel
from contracts.schema import FeatureSchema

if TYPE_CHECKING:  # it needs scikit-learn, which serving may lack
    from contracts.skops_model import SkopsModel

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
_FILES = {1: FILES_OF_FORMAT_1, 2: FILES_OF_FORMAT_2, 3: REQUIRED, 4: REQUIRED}
# What a bundle may have besides; only the newest format has golden rows.
_OPTIONAL = {1: {ONNX}, 2: {ONNX}, 3: {ONNX}, 4: {ONNX, GOLDEN}}
# A large forest is mostly repetition; the other files are compressed by their own formats.
COMPRESSED = ".gz"
COMPRESS_FROM_BYTES = 1_000_000
VERSION_LENGTH = 12
# In the manifest, and among the facts of a registered version: the version whose model this is.
RECALIBRATES = "recalibrates"
# In the manifest: the version that went on learning and so became this one; and what it learned.
UPDATES, UPDATE = "updates", "update"
OFFSETS = "offsets"  # among those facts only: what its answers are shifted by


class BundleError(ValueError):
    """A bundle is incomplete, altered or of another format; nothing of it was used."""


class Model(Protocol):
    """Answers rows; thread-safe."""

    def answers(self, numeric: Any, text: Any) -> NDArray[np.float32]:
        """float32 (n, outputs) from the matrices of FeatureSchema.to_matrices."""

    def answers_of(self, columns: Any) -> NDArray[np.float32]:
        """The same from named columns."""


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
    def answers_unseen(self) -> bool:
        """Whether the reference's rows were answered by models that had not learned from them."""
        return bool(self.manifest["format"] >= 3)

    @property
    def metrics(self) -> dict[str, Any]:
        metrics: dict[str, Any] = json.loads(self.files["metrics.json"])
        return metrics

    def model(self) -> Model:
        """The model as it is served.

        Raises:
            BundleError: it is served from skops, for which this process lacks libraries.
        """
        if ONNX in self.files:
            return OnnxModel(self.files[ONNX], self.schema)
        return self.skops_model()

    def skops_model(self) -> "SkopsModel":
        """The scikit-learn model itself.

        Raises:
            BundleError: this process lacks libraries.
        """
        try:
            from contracts.skops_model import SkopsModel  # scikit-learn, which serving may lack
        except ModuleNotFoundError as error:
            raise BundleError(
                f"{self.version} needs scikit-learn to answer or explain, and {error.name} is not "
                "installed; install requirements/explain.txt"
            ) from None
        return SkopsModel(self.files["model.skops"], self.schema)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def save_bundle(directory: Path, files: Mapping[str, bytes], facts: Mapping[str, Any]) -> str:
    """Write a bundle: to a temporary directory, fsynced, then renamed into place.

    Args:
        files: content of every file in REQUIRED, of ONNX unless it is served from skops, and of
            GOLDEN where rows were set aside.
        facts: what the manifest says besides digests (libraries, data, params, lock); nothing
            that depends on when or where the bundle was made.

    Returns:
        The version.

    Raises:
        BundleError: `files` is not exactly that.
    """
    if set(files) - _OPTIONAL[FORMAT] != REQUIRED:
        raise BundleError(f"a bundle has exactly {sorted(REQUIRED)}, not {sorted(files)}")
    stored = _compress(files)
    digests = {name: digest(stored[name]) for name in sorted(stored)}
    sizes = {ONNX: len(files[ONNX])} if ONNX in files else {}
    content = {"format": FORMAT, "files": digests, "sizes": sizes, **facts}
    manifest = (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
    _write_directory(directory, {MANIFEST: manifest, **stored})
    return digest(manifest)[:VERSION_LENGTH]


def load_bundle(directory: Path) -> Bundle:
    """Read a bundle after verifying every digest; nothing is parsed before, nothing unpickled.

    Raises:
        BundleError: a file is missing, extra, a link, or does not match its digest.
    """
    manifest, stored, version = _read_verified(directory)
    return Bundle(version, manifest, _decompress(stored, manifest, directory))


def base_of(bundle: Bundle, bundles: Path) -> Bundle:
    """The bundle as it was trained: itself, or the one in `bundles` that it recalibrates.

    Raises:
        BundleError: that one is damaged or gone.
    """
    base = bundle.manifest.get(RECALIBRATES)
    return bundle if base is None else load_bundle(bundles / base)


def copy_bundle(source: Path, bundles: Path) -> str:
    """Verify `source` and copy it to `bundles/<version>`; already there and whole = nothing to do.

    Raises:
        BundleError: as load_bundle.
    """
    _, stored, version = _read_verified(source)
    target = bundles / version
    if not target.exists():
        _write_directory(target, {MANIFEST: _read(source / MANIFEST), **stored})
    elif load_bundle(target).version != version:
        raise BundleError(f"{target} holds another bundle; move it away and register again")
    return version


def _read_verified(directory: Path) -> tuple[dict[str, Any], dict[str, bytes], str]:
    """Manifest, files as they are stored, and version."""
    if not directory.is_dir():
        raise BundleError(f"no bundle at {directory}")
    content = _read(directory / MANIFEST)
    manifest = _parse_manifest(content, directory)
    for entry in directory.iterdir():
        known = entry.name in {MANIFEST, *manifest["files"]}
        if entry.is_symlink() or not entry.is_file() or not known:
            raise BundleError(f"{entry.name} does not belong in the bundle {directory}")
    stored = {name: _read(directory / name) for name in sorted(manifest["files"])}
    for name, expected in manifest["files"].items():
        if digest(stored[name]) != expected:
            raise BundleError(f"{name} in {directory} was altered: its digest does not match")
    return manifest, stored, digest(content)[:VERSION_LENGTH]


def _compress(files: Mapping[str, bytes]) -> dict[str, bytes]:
    stored = dict(files)
    if len(stored.get(ONNX, b"")) >= COMPRESS_FROM_BYTES:
        stored[ONNX + COMPRESSED] = gzip.compress(stored.pop(ONNX), mtime=0)
    return stored


def _decompress(
    stored: dict[str, bytes], manifest: dict[str, Any], directory: Path
) -> dict[str, bytes]:
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
    expected = _FILES[found]
    if plain - (_OPTIONAL[found] - expected) != expected:
        raise BundleError(f"{directory} lists {sorted(names)}, not {sorted(expected)}")
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
