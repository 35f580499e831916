"""The model as scikit-learn runs it, read from skops: to explain, and where ONNX cannot serve.

The only module among the contracts that needs scikit-learn; imported only by who asks for it.
"""

from typing import Any

import numpy as np
import skops.io
from numpy.typing import NDArray

from contracts.model_frame import frame_of
from contracts.recalibration import shift
from contracts.schema import FeatureSchema

# Everything that our candidates contain beyond what skops trusts by itself.
TRUSTED = [
    "collections.OrderedDict",
    "contracts.transformers.DateParts",
    "contracts.transformers.RareGrouper",
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRegressor",
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.tree._tree.Tree",  # only bytes whose digest was verified are read
]


def load_model(content: bytes) -> Any:
    """Read what pipeline/model_file.py wrote.

    Raises:
        skops.io.exceptions.UntrustedTypesFoundException: it holds a type that is not TRUSTED.
    """
    return skops.io.loads(content, trusted=TRUSTED)


def learner_of(pipeline: Any) -> Any:
    """The fitted estimator behind a model's preparation, and inside of its calibration."""
    model = pipeline.named_steps["model"]
    calibrated = getattr(model, "calibrated_classifiers_", None)
    return model if calibrated is None else calibrated[0].estimator


class SkopsModel:
    """Answers like OnnxModel.

    Args:
        model: bytes of model.skops, already verified.
        schema: the schema of the same bundle.
    """

    def __init__(self, model: bytes, schema: FeatureSchema) -> None:
        self.schema = schema
        self.pipeline = load_model(model)

    @property
    def learner(self) -> Any:
        """See learner_of."""
        return learner_of(self.pipeline)

    def answers(self, numeric: Any, text: Any) -> NDArray[np.float32]:
        """float32 (n, outputs), as OnnxModel.answers."""
        if not len(numeric):  # scikit-learn refuses to answer nothing
            return np.empty((0, len(self.schema.target.outputs)), np.float32)
        found = answer(self.pipeline, frame_of(numeric, text, self.schema), self.schema)
        return shift(self.schema.target.task, found, self.schema.target.offsets)

    def answers_of(self, columns: Any) -> NDArray[np.float32]:
        """The same from named columns."""
        return self.answers(*self.schema.to_matrices(columns))


def answer(pipeline: Any, frame: Any, schema: FeatureSchema) -> NDArray[np.float32]:
    """What a fitted scikit-learn model answers for a model frame, (n, outputs)."""
    if schema.target.task == "regression":
        return np.asarray(pipeline.predict(frame), dtype=np.float32).reshape(-1, 1)
    return np.asarray(pipeline.predict_proba(frame), dtype=np.float32)
