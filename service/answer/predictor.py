"""Rows to predictions: no HTTP, no SQL. The ledger calls it once per group."""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from itertools import accumulate

import msgspec
import numpy as np
from numpy.typing import NDArray

from contracts.bundle import Bundle
from contracts.params import ClassLabel
from contracts.schema import Target

Prediction = ClassLabel | float


class NotFiniteError(ValueError):
    """The model answered NaN or Infinity for a row; it must not be passed on as a prediction."""

    def __init__(self, row: int) -> None:
        super().__init__(f"the model has no finite answer for row {row}; check its extreme values")
        self.row = row


class Reading(msgspec.Struct, frozen=True):  # a dataclass takes five times as long to make
    """What a model's answers mean, one entry a row.

    Attributes:
        prediction: a class, or a regression's value.
        probability: of a binary target's positive class; of each of many classes, in their order;
            None for a regression.
        interval: a regression's [low, high], None without.
        logged: the ledger's probability: of the positive, or of the predicted class.
        scores: the ledger's JSON of what `logged` does not say: all classes, or the interval.
    """

    prediction: list[Prediction]
    probability: list[float] | list[list[float]] | None
    interval: list[list[float]] | None
    logged: Sequence[float | None]
    scores: Sequence[str | None]


def _read_binary(target: Target, answers: NDArray[np.float32]) -> Reading:
    negative, positive = target.classes
    chances: list[float] = answers[:, 1].tolist()
    threshold = target.threshold
    classes: list[Prediction] = [positive if p >= threshold else negative for p in chances]
    return Reading(classes, chances, None, chances, [None] * len(chances))


def _read_multiclass(target: Target, answers: NDArray[np.float32]) -> Reading:
    chances: list[list[float]] = answers.tolist()
    best = answers.argmax(axis=1).tolist()
    classes: list[Prediction] = [target.classes[i] for i in best]
    logged = [row[i] for row, i in zip(chances, best, strict=True)]
    return Reading(classes, chances, None, logged, [json.dumps(row) for row in chances])


def _read_regression(target: Target, answers: NDArray[np.float32]) -> Reading:
    values: list[Prediction] = answers[:, 0].tolist()
    nothing = [None] * len(values)
    if target.margin is None:
        return Reading(values, None, None, nothing, nothing)
    ends = [answers[:, 0] - target.margin, answers[:, 0] + target.margin]
    intervals: list[list[float]] = np.stack(ends, axis=1).tolist()
    return Reading(values, None, intervals, nothing, [json.dumps(each) for each in intervals])


def _part(whole: Reading, place: slice) -> Reading:
    return Reading(
        whole.prediction[place],
        None if whole.probability is None else whole.probability[place],
        None if whole.interval is None else whole.interval[place],
        whole.logged[place],
        whole.scores[place],
    )


READERS = {"binary": _read_binary, "multiclass": _read_multiclass, "regression": _read_regression}


class Predictor:
    """One version's model; immutable and thread-safe."""

    def __init__(self, bundle: Bundle) -> None:
        self.version = bundle.version
        self.schema = bundle.schema
        self.trained_until = datetime.fromisoformat(bundle.manifest["trained_until"])
        self._model = bundle.model()
        self._numeric_columns = len(self.schema.matrix_columns)
        self._text_columns = len(self.schema.categorical)
        self._read = partial(READERS[self.schema.target.task], self.schema.target)

    def answers(
        self, numeric: Sequence[Sequence[float | None]], text: Sequence[Sequence[str]]
    ) -> NDArray[np.float32]:
        """What the model answers, float32 (n, outputs); not finite where it has no answer.

        Args:
            numeric: (n, matrix columns), NaN or None = missing.
            text: (n, categorical features), "" = missing.
        """
        numbers = np.array(numeric, np.float32).reshape(len(numeric), self._numeric_columns)
        texts = np.array(text, object).reshape(len(text), self._text_columns)
        return self._model.answers(numbers, texts)

    def read_each(
        self, answers: NDArray[np.float32], sizes: Sequence[int]
    ) -> list[Reading | NotFiniteError]:
        """What the answers to the rows of several requests mean, one entry a request.

        Args:
            answers: (n, outputs).
            sizes: rows of each request, n together.
        """
        stops = list(accumulate(sizes))
        places = [slice(stop - size, stop) for stop, size in zip(stops, sizes, strict=True)]
        if not np.isfinite(answers).all():
            return [self._read_or_tell(answers[place]) for place in places]
        whole = self._read(answers)
        return [_part(whole, place) for place in places]

    def _read_or_tell(self, answers: NDArray[np.float32]) -> Reading | NotFiniteError:
        try:
            return self.read(answers)
        except NotFiniteError as error:
            return error

    def read(self, answers: NDArray[np.float32]) -> Reading:
        """What the answers to n rows mean.

        Raises:
            NotFiniteError: names the first row without a finite answer.
        """
        finite = np.isfinite(answers)
        if not finite.all():
            raise NotFiniteError(int(np.argmin(finite.all(axis=1))))
        return self._read(answers)
