"""TensorFlow Lite and Keras HDF5: the numeric core, and the codes of texts in the sidecar."""

import json
import os
from pathlib import Path
from typing import Any

from contracts.bundle import Bundle
from pipeline.formats import FormatError
from pipeline.formats.codes import describe_codes, prove_same
from pipeline.formats.core import read_core

WEIGHTS = ".weights.h5"


def write_tflite(bundle: Bundle, path: Path) -> dict[str, Any]:
    """A TensorFlow Lite model with the inputs `numeric` and `codes`.

    Raises:
        FormatError: the model has a part without a translation, or differs once translated.
    """
    model, facts = make_keras_model(bundle)
    import tensorflow as tf

    # The function alone, without its model: so the tables become constants of the graph. As
    # variables they would be in the file without their values.
    converter = tf.lite.TFLiteConverter.from_concrete_functions([make_function(model)])
    path.write_bytes(converter.convert())
    return facts


def write_hdf5(bundle: Bundle, path: Path) -> dict[str, Any]:
    """Keras weights in HDF5; the sidecar holds the model's configuration under "keras".

    Raises:
        FormatError: as write_tflite, or the path does not end as Keras asks.
    """
    if not path.name.endswith(WEIGHTS):
        raise FormatError(f"{path.name} must end with {WEIGHTS}; Keras reads no other name")
    model, facts = make_keras_model(bundle)
    model.save_weights(path)
    return {**facts, "keras": json.loads(model.to_json())}


def make_keras_model(bundle: Bundle) -> tuple[Any, dict[str, Any]]:
    """The bundle's numeric core in Keras, and what the sidecar says of it.

    Raises:
        FormatError: as write_tflite.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reads it when imported
    from pipeline.formats.keras_model import build_keras_model

    core, schema = read_core(bundle), bundle.schema
    model = build_keras_model(core, len(schema.matrix_columns), len(schema.target.outputs))
    names = [each.name for each in model.inputs]

    def answer(numeric: Any, codes: Any) -> Any:
        given = {"numeric": numeric, "codes": codes}
        return model.predict({name: given[name] for name in names}, verbose=0)

    difference = prove_same(bundle, core.columns.vocabularies, answer)
    facts = {**describe_codes(core.columns.vocabularies), "inputs": names}
    return model, {**facts, "largest_difference": difference}


def make_function(model: Any, rows: int | None = None) -> Any:
    """The model as a concrete TensorFlow function of named tensors; `rows` None = any number."""
    import tensorflow as tf

    specs = {i.name: tf.TensorSpec((rows, i.shape[1]), i.dtype, name=i.name) for i in model.inputs}

    @tf.function(input_signature=[specs])  # type: ignore[untyped-decorator]  # untyped library
    def answers(inputs: Any) -> Any:
        return model(inputs, training=False)

    return answers.get_concrete_function()
