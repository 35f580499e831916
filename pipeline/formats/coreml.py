"""Core ML: the TensorFlow function, converted to an ML Program of one row at a time."""

import logging
import sys
from pathlib import Path
from typing import Any

from contracts.bundle import Bundle
from pipeline.formats import FormatError
from pipeline.formats.tensorflow_files import make_function, make_keras_model

PACKAGE = ".mlpackage"


def write_coreml(bundle: Bundle, path: Path) -> dict[str, Any]:
    """An .mlpackage directory with the inputs `numeric` and `codes`, of one row each.

    Raises:
        FormatError: as write_tflite, or the path does not end as Core ML asks.
    """
    if path.suffix != PACKAGE:
        raise FormatError(f"{path.name} must end with {PACKAGE}; Core ML reads no other name")
    # It warns of each library newer than those that it was tested with, and of each whole number.
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    import coremltools as ct

    model, facts = make_keras_model(bundle)
    # Half precision, its default, would move rows to the other side of a tree's threshold.
    converted = ct.convert(
        [make_function(model, rows=1)],
        source="tensorflow",
        minimum_deployment_target=ct.target.macOS13,
        compute_precision=ct.precision.FLOAT32,
        compute_units=ct.ComputeUnit.CPU_ONLY,
        skip_model_load=True,
    )
    spec = converted.get_spec()
    ct.utils.rename_feature(spec, spec.description.output[0].name, "answers")
    named = ct.models.MLModel(spec, weights_dir=converted.weights_dir, skip_model_load=True)
    named.save(str(path))
    sys.stderr.write(
        "coreml: only macOS runs Core ML models, so this file's answers were not compared with the "
        "bundle's; those of the TensorFlow model that it was made of were.\n"
    )
    return facts
