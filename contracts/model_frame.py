"""The frame that a scikit-learn model takes; apart from skops, whose import takes 150 MB."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.schema import FeatureSchema


def frame_of(numeric: NDArray[np.float32], text: NDArray[np.object_], schema: FeatureSchema) -> Any:
    """The matrices side by side as a scikit-learn model takes them: float32 columns, then text."""
    numbers = pd.DataFrame(numeric, columns=schema.matrix_columns)
    words = pd.DataFrame(text, columns=schema.categorical, dtype=object)
    return pd.concat([numbers, words], axis=1)
