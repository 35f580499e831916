"""Moments as numbers that float32 holds exactly: the day since 1970 and the second of the day."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

DAY_SECONDS = 86_400
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def split_moment(moment: datetime) -> tuple[float, float]:
    """Day since 1970-01-01 and whole second of it, in UTC; a naive moment counts as UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    since = aware - _EPOCH
    return float(since.days), float(since.seconds)


def split_moments(values: Any) -> NDArray[np.float32]:
    """The same for n moments: float32 (n, 2), NaN = missing.

    Args:
        values: a pandas column of datetimes, or ISO 8601 texts and None.

    Raises:
        ValueError: a text is not a moment.
    """
    if hasattr(values, "dt"):
        return _split_column(values)
    return np.array([split_text(value) for value in values], np.float32).reshape(-1, 2)


def split_text(value: object) -> tuple[float, float]:
    """The same for ISO 8601 text or a datetime; NaN for anything else.

    Raises:
        ValueError: the text is not a moment.
    """
    if isinstance(value, datetime):
        return split_moment(value)
    if isinstance(value, str) and value:
        return split_moment(datetime.fromisoformat(value))
    return np.nan, np.nan


def _split_column(column: Any) -> NDArray[np.float32]:
    naive = column.dt.tz_convert("UTC").dt.tz_localize(None) if column.dt.tz else column
    moments = naive.to_numpy("datetime64[s]")
    missing = np.isnat(moments)
    seconds = np.where(missing, 0, moments.astype(np.int64))
    pair = np.stack([seconds // DAY_SECONDS, seconds % DAY_SECONDS], axis=1).astype(np.float32)
    pair[missing] = np.nan
    return pair
