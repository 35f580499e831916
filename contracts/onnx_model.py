"""The model as every process runs it: ONNX Runtime on one float and one text matrix."""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from contracts.schema import FeatureSchema


class OnnxModel:
    """Answers probabilities; thread-safe, one thread per call.

    Args:
        model: bytes of model.onnx, already verified.
        schema: the schema of the same bundle.
    """

    def __init__(self, model: bytes, schema: FeatureSchema) -> None:
        options = onnxruntime.SessionOptions()
        # One row takes microseconds; a thread pool would only add hand-overs.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.schema = schema
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        self._inputs = [i.name for i in self._session.get_inputs()]

    def probability(self, numeric: Any, text: Any) -> NDArray[np.float32]:
        """Probability of the positive class, float32 (n,), in [0, 1].

        Args:
            numeric: float32 (n, numeric features), NaN = missing.
            text: object (n, categorical features) of str, "" = missing.
        """
        feed = {"numeric": numeric, "categorical": text}
        feed = {name: feed[name] for name in self._inputs}
        positive: NDArray[np.float32] = self._session.run(["probabilities"], feed)[0][:, 1]
        return positive

    def probability_of(self, columns: Any) -> NDArray[np.float32]:
        """The same from named columns (a frame or a mapping of lists)."""
        return self.probability(*self.schema.to_matrices(columns))
