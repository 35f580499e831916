"""Frames as the models take them, and their files. Stages share this; nothing here decides."""

from pathlib import Path

import numpy as np
import pandas as pd

from contracts.params import Data
from contracts.schema import FeatureSchema


class DatasetError(ValueError):
    """The table cannot be learned from; the message names the column and the remedy."""


def model_frame(frame: pd.DataFrame, schema: FeatureSchema) -> pd.DataFrame:
    """Columns as a model takes them: float32 numbers first, then text as objects, "" = missing."""
    numeric, text = schema.to_matrices(frame)
    numbers = pd.DataFrame(numeric, columns=schema.numeric, index=frame.index)
    words = pd.DataFrame(text, columns=schema.categorical, index=frame.index, dtype=object)
    return pd.concat([numbers, words], axis=1)


def is_positive(frame: pd.DataFrame, data: Data) -> np.ndarray:
    """int64 (n,): 1 where the target is the positive (last) class."""
    return (frame[data.target] == data.classes[-1]).to_numpy().astype(np.int64)


def holdout_start(timestamps: pd.Series, days: int) -> pd.Timestamp:
    """Midnight (UTC) from which the newest `days` days are held out of the search.

    Raises:
        DatasetError: nothing would be left to learn from.
    """
    start: pd.Timestamp = timestamps.max().normalize() - pd.Timedelta(days=days - 1)
    if not (timestamps < start).any():
        raise DatasetError(f"evaluate.holdout_days: {days} days leave no earlier row to learn from")
    return start


def read_prepared(path: Path) -> pd.DataFrame:
    """What `prepare` wrote, sorted by timestamp."""
    return pd.read_parquet(path)
