"""Frames as the models take them, and their files. Stages share this; nothing here decides."""

from pathlib import Path

import numpy as np
import pandas as pd

from contracts.model_frame import frame_of
from contracts.schema import FeatureSchema


class DatasetError(ValueError):
    """The table cannot be learned from; the message names the column and the remedy."""


def model_frame(frame: pd.DataFrame, schema: FeatureSchema) -> pd.DataFrame:
    """Columns as a model takes them: float32 numbers first, then text as objects, "" = missing."""
    found: pd.DataFrame = frame_of(*schema.to_matrices(frame), schema)
    return found


def labels(frame: pd.DataFrame, schema: FeatureSchema) -> np.ndarray:
    """What a model learns, (n,): the int64 number of the class, or a regression's float64."""
    truths = schema.target.truths(frame[schema.target.name].tolist())
    return truths if schema.target.task == "regression" else truths.astype(np.int64)


def read_prepared(path: Path) -> pd.DataFrame:
    """What `prepare` wrote, sorted by timestamp."""
    return pd.read_parquet(path)
