"""The formats that `python -m pipeline.export` writes, by name; none is imported before its use."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contracts.bundle import Bundle

# Writes the bundle's model to a path; returns what the sidecar says besides describe().
Writer = Callable[[Bundle, Path], dict[str, Any]]

# Format -> module and function.
FORMATS = {
    "onnx": ("pipeline.formats.plain", "write_onnx"),
    "skops": ("pipeline.formats.plain", "write_skops"),
    "joblib": ("pipeline.formats.plain", "write_joblib"),
    "pickle": ("pipeline.formats.plain", "write_pickle"),
    "pmml": ("pipeline.formats.pmml", "write_pmml"),
    "tflite": ("pipeline.formats.tensorflow_files", "write_tflite"),
    "hdf5": ("pipeline.formats.tensorflow_files", "write_hdf5"),
    "coreml": ("pipeline.formats.coreml", "write_coreml"),
}


class FormatError(RuntimeError):
    """The model cannot be written in this format; the message names the cause and the remedy."""


def write(bundle: Bundle, name: str, path: Path) -> dict[str, Any]:
    """Write the bundle's model in format `name`; returns what its sidecar says.

    Raises:
        FormatError: the format cannot hold this model, or a library that it needs is absent.
    """
    module, function = FORMATS[name]
    try:
        writer: Writer = getattr(importlib.import_module(module), function)
        return {**describe(bundle, name), **writer(bundle, path)}
    except ModuleNotFoundError as error:
        raise FormatError(
            f"{name} needs {error.name}: make setup-formats, then "
            ".venv-formats/bin/python -m pipeline.export ..."
        ) from None


def describe(bundle: Bundle, name: str) -> dict[str, Any]:
    """What a reader of the file must know: inputs, their order, and what the outputs mean."""
    schema, target = bundle.schema, bundle.schema.target
    return {
        "format": name,
        "version": bundle.version,
        "task": target.task,
        "target": target.name,
        "outputs": target.outputs,
        "threshold": target.threshold if target.task == "binary" else None,
        "numeric": schema.matrix_columns,
        "categorical": schema.categorical,
    }
