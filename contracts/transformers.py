"""Steps of a model's Pipeline that scikit-learn lacks.

They live among the contracts because a bundle names them: whoever loads its model.skops needs
them. pipeline/onnx_steps.py holds the same steps in ONNX.
"""

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

DATE_PARTS = ("year", "month", "day of month", "weekday", "hour", "day")
OTHER = "\x1fother"  # hardly any table has it as a category of its own


class RareGrouper(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # untyped library
    """Keeps each column's frequent categories; rare and unseen ones become OTHER.

    Args:
        min_rows: categories with fewer rows are rare.
        max_categories: at most this many are kept, the most frequent ones; ties by name.
    """

    def __init__(self, min_rows: int = 5, max_categories: int = 50) -> None:
        self.min_rows = min_rows
        self.max_categories = max_categories

    def fit(self, X: Any, y: Any = None) -> Self:  # scikit-learn's names
        """Learn the kept categories of X, (n, columns) of str."""
        texts = self._texts(X)
        self.n_features_in_ = texts.shape[1]
        self.kept_ = [self._frequent(texts[:, i]) for i in range(texts.shape[1])]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """The same shape, object of str."""
        check_is_fitted(self)
        texts = self._texts(X)
        grouped = np.empty(texts.shape, object)
        for i, kept in enumerate(self.kept_):
            table = {str(name): str(name) for name in kept}
            grouped[:, i] = [table.get(value, OTHER) for value in texts[:, i]]
        return grouped

    def _texts(self, X: Any) -> np.ndarray:
        return np.asarray(X, dtype=object)

    def _frequent(self, column: np.ndarray) -> list[str]:
        names, counts = np.unique(column.astype(str), return_counts=True)
        order = np.lexsort((names, -counts))[: self.max_categories]
        return sorted(str(names[i]) for i in order if counts[i] >= self.min_rows)


class DateParts(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # untyped library
    """Turns pairs (day since 1970, second of the day) into DATE_PARTS, all float32, NaN kept.

    The calendar is computed with whole numbers after Howard Hinnant, "chrono-Compatible Low-Level
    Date Algorithms", 2013, so that ONNX can hold the same arithmetic.
    """

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn nothing but the width of X, (n, 2 * datetimes)."""
        self.n_features_in_ = np.asarray(X).shape[1]
        return self

    def transform(self, X: Any) -> np.ndarray:
        """float32 (n, 6 * datetimes)."""
        check_is_fitted(self)
        pairs = np.asarray(X, dtype=np.float32)
        parts = [_parts(pairs[:, i], pairs[:, i + 1]) for i in range(0, pairs.shape[1], 2)]
        return np.concatenate(parts, axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns of `transform`, object of str."""
        given = input_features if input_features is not None else range(self.n_features_in_)
        names = [str(name) for name in given][::2]
        found = [f"{name} {part}" for name in names for part in DATE_PARTS]
        return np.array(found, dtype=object)


def _parts(days: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    missing = np.isnan(days) | np.isnan(seconds)
    day = np.where(missing, 0, days).astype(np.int64)
    hour = np.where(missing, 0, seconds).astype(np.int64) // 3600
    shifted = day + 719_468  # days since 0000-03-01
    era = shifted // 146_097
    of_era = shifted - era * 146_097
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * of_year + 2) // 153
    day_of_month = of_year - (153 * month_from_march + 2) // 5 + 1
    month = (month_from_march + 2) % 12 + 1
    year = year_of_era + era * 400 + (month <= 2)
    weekday = (day + 3) % 7  # Monday = 0
    parts = np.stack([year, month, day_of_month, weekday, hour, day], axis=1).astype(np.float32)
    parts[missing] = np.nan
    return parts
