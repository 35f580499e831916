"""Rows to predictions: no HTTP, no SQL. The ledger calls it once per group."""

import math
from collections.abc import Sequence

import numpy as np

from contracts.bundle import Bundle
from contracts.params import ClassLabel


class NotFiniteError(ValueError):
    """The model answered NaN or Infinity for a row; it must not be passed on as a prediction."""

    def __init__(self, row: int) -> None:
        super().__init__(f"the model has no finite answer for row {row}; check its extreme values")
        self.row = row


class Predictor:
    """One version's model; immutable and thread-safe."""

    def __init__(self, bundle: Bundle) -> None:
        self.version = bundle.version
        self.schema = bundle.schema
        self._model = bundle.model()
        self._numeric_columns = len(self.schema.numeric)
        self._text_columns = len(self.schema.categorical)
        self._negative, self._positive = self.schema.target.classes
        self._threshold = self.schema.target.threshold

    def probabilities(
        self, numeric: Sequence[Sequence[float]], text: Sequence[Sequence[str]]
    ) -> list[float]:
        """Probability of the positive class of each row; not finite where the model has none.

        Args:
            numeric: (n, numeric features), NaN = missing.
            text: (n, categorical features), "" = missing.
        """
        numbers = np.array(numeric, np.float32).reshape(-1, self._numeric_columns)
        texts = np.array(text, object).reshape(-1, self._text_columns)
        answers: list[float] = self._model.probability(numbers, texts).tolist()
        return answers

    def classes(self, probabilities: Sequence[float]) -> list[ClassLabel]:
        """The class of each probability.

        Raises:
            NotFiniteError: names the first row without a finite probability.
        """
        threshold, positive, negative = self._threshold, self._positive, self._negative
        for row, probability in enumerate(probabilities):
            if not math.isfinite(probability):
                raise NotFiniteError(row)
        return [positive if p >= threshold else negative for p in probabilities]
