"""The bundle: a content-addressed directory that training hands to serving.

Its version is the SHA-256 of manifest.json, which holds the digest of every other file.
Time and place of making stay outside (registry.py), so that the same inputs give the same bytes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.bundle_files import (
    FORMAT,
    MANIFEST,
    ONNX,
    OPTIONAL,
    REQUIRED,
    VERSION_LENGTH,
    BundleError,
    compress,
    decompress,
    digest,
    read_file,
    read_verified,
    write_directory,
)
from contracts.onnx_model import OnnxModel
from contracts.schema import FeatureSchema

if TYPE_CHECKING:  # it needs scikit-learn, which serving may lack
    from contracts.skops_model import SkopsModel

# In the manifest, and among the facts of a registered version: the version whose model this is.
RECALIBRATES = "recalibrates"
# In the manifest: the version that went on learning and so became this one; and what it learned.
UPDATES, UPDATE = "updates", "update"
OFFSETS = "offsets"  # among those facts only: what its answers are shifted by


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
    if set(files) - OPTIONAL[FORMAT] != REQUIRED:
        raise BundleError(f"a bundle has exactly {sorted(REQUIRED)}, not {sorted(files)}")
    stored = compress(files)
    digests = {name: digest(stored[name]) for name in sorted(stored)}
    sizes = {ONNX: len(files[ONNX])} if ONNX in files else {}
    content = {"format": FORMAT, "files": digests, "sizes": sizes, **facts}
    manifest = (json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
    write_directory(directory, {MANIFEST: manifest, **stored})
    return digest(manifest)[:VERSION_LENGTH]


def load_bundle(directory: Path) -> Bundle:
    """Read a bundle after verifying every digest; nothing is parsed before, nothing unpickled.

    Raises:
        BundleError: a file is missing, extra, a link, or does not match its digest.
    """
    manifest, stored, version = read_verified(directory)
    return Bundle(version, manifest, decompress(stored, manifest, directory))


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
    _, stored, version = read_verified(source)
    target = bundles / version
    if not target.exists():
        write_directory(target, {MANIFEST: read_file(source / MANIFEST), **stored})
    elif load_bundle(target).version != version:
        raise BundleError(f"{target} holds another bundle; move it away and register again")
    return version
