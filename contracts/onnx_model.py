"""The model as every process runs it: ONNX Runtime on one float and one text matrix."""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from contracts.recalibration import shift
from contracts.schema import FeatureSchema

PROBABILITIES, VALUE = "probabilities", "variable"


class OnnxModel:
    """Answers probabilities or values; thread-safe.

    Args:
        model: bytes of model.onnx, already verified.
        schema: the schema of the same bundle.
        threads: of one call. One row takes microseconds; a thread pool would only add hand-overs.
    """

    def __init__(self, model: bytes, schema: FeatureSchema, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.schema = schema
        self._target = schema.target
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [i.name for i in self._session.get_inputs()]
        self._output = [VALUE if schema.target.task == "regression" else PROBABILITIES]

    def answers(self, numeric: Any, text: Any) -> NDArray[np.float32]:
        """float32 (n, outputs): a probability of each class, or the value of a regression.

        Args:
            numeric: float32 (n, matrix columns), NaN = missing.
            text: object (n, categorical features) of str, "" = missing.
        """
        feed = {"numeric": numeric, "categorical": text}
        feed = {name: feed[name] for name in self._inputs}
        found: NDArray[np.float32] = self._session.run(self._output, feed)[0]
        return shift(self._target.task, found, self._target.offsets)

    def answers_of(self, columns: Any) -> NDArray[np.float32]:
        """The same from named columns (a frame or a mapping of lists)."""
        return self.answers(*self.schema.to_matrices(columns))
