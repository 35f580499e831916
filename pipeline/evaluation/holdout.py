"""A hold-out frame as arrays: what was true, what was answered, and which rows belong together."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.params import Data
from contracts.schema import BASELINE, GROUP, FeatureSchema, Target
from pipeline.frames import DatasetError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Judged:
    """n rows with their answers, in the form of contracts.schema.Target.

    Attributes:
        truths: (n,) number of the class, or the value.
        answers: (n, outputs) by the recipe, out of sample.
        baselines: (n, outputs) by a model that knows no feature.
        blocks: (n,) from 0; rows of one block are not independent of each other.
    """

    truths: Floats
    answers: Floats
    baselines: Floats
    blocks: Integers

    def take(self, rows: Integers) -> "Judged":
        """The same of these rows only, their blocks numbered anew."""
        blocks = np.unique(self.blocks[rows], return_inverse=True)[1]
        return Judged(self.truths[rows], self.answers[rows], self.baselines[rows], blocks)


def read_judged(holdout: pd.DataFrame, schema: FeatureSchema, data: Data) -> Judged:
    """The arrays of a hold-out frame.

    Raises:
        DatasetError: it has no row, or an answer is missing or not finite.
        SchemaError: a true label is none of the classes.
    """
    if holdout.empty:
        raise DatasetError("no row is held out; lower evaluate.holdout_days or add rows")
    answers = holdout[schema.answers].to_numpy(np.float64)
    if not np.isfinite(answers).all():
        raise DatasetError(
            "an answer on the held-out rows is missing or infinite: the model failed"
        )
    truths = schema.target.truths(holdout[schema.target.name])
    names = [BASELINE + output for output in schema.target.outputs]
    baselines = holdout[names].to_numpy(np.float64)
    return Judged(truths, answers, baselines, number_blocks(holdout, data))


def number_blocks(frame: pd.DataFrame, data: Data) -> Integers:
    """Which rows belong together, int64 (n,): a group, a day (UTC) of a split by time, or a row."""
    if GROUP in frame.columns:
        return _number(frame[GROUP])
    if data.split == "time":
        return _number(frame[data.time_column].dt.tz_convert("UTC").dt.floor("D"))
    return np.arange(len(frame), dtype=np.int64)


def decide(answers: Floats, target: Target) -> Integers:
    """The answered class, int64 (n,): the last from the threshold upwards, or the likeliest.

    Args:
        answers: (n, classes) probabilities.
    """
    if target.task == "binary":
        return np.asarray(answers[:, 1] >= target.threshold, dtype=np.int64)
    return np.asarray(answers.argmax(axis=1), dtype=np.int64)


def _number(column: pd.Series) -> Integers:
    return np.asarray(pd.factorize(column, use_na_sentinel=False)[0], dtype=np.int64)
