"""Formats that hold the bundle's own model: ONNX, skops, joblib and pickle."""

import pickle
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import joblib

from contracts.bundle import Bundle
from contracts.bundle_files import ONNX
from pipeline.formats import FormatError

# What the receiver of a pickled model must have in the same version.
LIBRARIES = ("joblib", "lightgbm", "numpy", "pandas", "scikit-learn", "scipy")


def write_onnx(bundle: Bundle, path: Path) -> dict[str, Any]:
    """The bundle's model.onnx.

    Raises:
        FormatError: the bundle is served from skops, because ONNX would answer differently.
    """
    if ONNX not in bundle.files:
        raise FormatError("this model has no exact ONNX form; take skops, joblib or pickle")
    path.write_bytes(bundle.files[ONNX])
    return {}


def write_skops(bundle: Bundle, path: Path) -> dict[str, Any]:
    """The bundle's model.skops."""
    path.write_bytes(bundle.files["model.skops"])
    return {}


def write_joblib(bundle: Bundle, path: Path) -> dict[str, Any]:
    """The scikit-learn Pipeline as joblib writes it."""
    joblib.dump(_pipeline(bundle), path)
    return _warn_of_pickles("joblib")


def write_pickle(bundle: Bundle, path: Path) -> dict[str, Any]:
    """The scikit-learn Pipeline as a pickle."""
    path.write_bytes(pickle.dumps(_pipeline(bundle), protocol=5))
    return _warn_of_pickles("pickle")


def _pipeline(bundle: Bundle) -> Any:
    from contracts.skops_model import load_model

    return load_model(bundle.files["model.skops"])


def _warn_of_pickles(name: str) -> dict[str, Any]:
    libraries = _installed_versions()
    needed = ", ".join(f"{library} {number}" for library, number in libraries.items())
    sys.stderr.write(
        f"{name}: loading this file runs code that is in it, so load it only from those you trust. "
        f"The receiver needs this project's contracts/ on the path, and {needed}.\n"
    )
    return {"libraries": libraries}


def _installed_versions() -> dict[str, str]:
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue  # an optional one: no model here was made with it
    return found
