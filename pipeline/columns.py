"""From a table's columns, whatever their type, to typed ones: the same for training and scoring.

Whoever reads a CSV file gets texts, a Parquet file types, a database a mixture.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from contracts.params import Kind
from pipeline.frames import DatasetError

SHOWN = 3
MOMENT = "datetime64[s, UTC]"
ISO_DATE = r"\d{4}-\d"
WORDS = (
    frozenset({"false", "f", "no", "n", "0", "off"}),
    frozenset({"true", "t", "yes", "y", "1", "on"}),
)


class UnreadableError(DatasetError):
    """Values are not of their column's kind.

    Attributes:
        wrong: bool (n,), True where a value cannot be read.
    """

    def __init__(self, message: str, wrong: np.ndarray) -> None:
        super().__init__(message)
        self.wrong = wrong


class Reading(Protocol):
    """How the texts of a column are read: FeatureParams and Feature both say so."""

    @property
    def kind(self) -> Kind: ...
    @property
    def decimal(self) -> str: ...
    @property
    def missing(self) -> Sequence[str]: ...
    @property
    def words(self) -> Sequence[str]: ...
    @property
    def day_first(self) -> bool: ...


def parse_column(column: pd.Series, name: str, reading: Reading) -> pd.Series:
    """The column typed as its kind asks.

    Returns:
        numeric, integer, boolean (0 and 1): float32, NaN = missing. categorical: object of str,
        None = missing. datetime: datetime64[s, UTC], NaT = missing.

    Raises:
        UnreadableError: a value is not of the kind; names the column, the count and examples.
    """
    column = mark_missing(column, reading.missing)
    if reading.kind == "categorical":
        return as_texts(column)
    if reading.kind == "datetime":
        return parse_moments(column, name, reading.day_first)
    if reading.kind == "boolean":
        return _parse_booleans(column, name, reading.words)
    numbers = parse_numbers(column, name, reading.decimal).astype(np.float32)
    fractions = numbers.notna() & (numbers % 1 != 0)
    if reading.kind == "integer" and fractions.any():
        message = f"{name}: has fractions; its kind is numeric, not integer"
        raise UnreadableError(message, fractions.to_numpy())
    return numbers


def mark_missing(column: pd.Series, missing: Sequence[str] = ()) -> pd.Series:
    """Texts that are empty, blank or in `missing` become None; other types stay as they are."""
    if not holds_texts(column):
        return column
    # Each distinct text is looked at once: columns of millions of rows hold few.
    codes, texts = pd.factorize(column.astype(object))
    marks = {"", *(text.strip() for text in missing)}
    plain = [t.strip() if isinstance(t, str) else t for t in texts]
    kept = np.array([None if t in marks else t for t in [*plain, None]], dtype=object)
    return pd.Series(kept[codes], column.index, dtype=object, name=column.name)


def holds_texts(column: pd.Series) -> bool:
    """Whether a column may hold texts."""
    return bool(
        column.dtype == object
        or isinstance(column.dtype, pd.CategoricalDtype)
        or pd.api.types.is_string_dtype(column.dtype)
    )


def as_texts(column: pd.Series) -> pd.Series:
    """object of str, None = missing; 3.0 and 3 are the same text."""
    codes, values = pd.factorize(column.astype(object))
    texts = np.array([*(canonical(value) for value in values), None], dtype=object)
    return pd.Series(texts[codes], column.index, dtype=object, name=column.name)


def canonical(value: object) -> str:
    """One text for equal values: 3, 3.0 and "3" are "3", a true boolean is "1"."""
    if isinstance(value, bool | np.bool_):
        return str(int(value))
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def parse_numbers(column: pd.Series, name: str, decimal: str) -> pd.Series:
    """float64; texts are read with `decimal`, and the other sign or a space between thousands.

    Raises:
        DatasetError: a value is no finite number.
    """
    texts = holds_texts(column)
    plain = _plain_numbers(column, decimal) if texts else column
    numbers = pd.to_numeric(plain, errors="coerce").astype(np.float64)
    wrong = (numbers.isna() & column.notna()) | np.isinf(numbers)
    _refuse(column, wrong.to_numpy(), name, f"are no finite numbers (decimal sign {decimal!r})")
    return numbers


def parse_moments(column: pd.Series, name: str, day_first: bool) -> pd.Series:
    """datetime64[s, UTC]; a moment without a zone counts as UTC.

    Raises:
        DatasetError: a value is no moment.
    """
    codes, values = pd.factorize(column.astype(object) if holds_texts(column) else column)
    distinct = pd.Series(values)
    iso = distinct.astype(str).str.match(ISO_DATE)  # year first, whatever else is day first
    moments = pd.Series(pd.NaT, distinct.index, dtype=MOMENT)
    for own, first in ((iso, False), (~iso, day_first)):
        read = pd.to_datetime(
            distinct[own], utc=True, format="mixed", dayfirst=first, errors="coerce"
        )
        moments[own] = read.dt.floor("s").astype(MOMENT)
    spread = np.append(moments.to_numpy("datetime64[s]"), np.datetime64("NaT"))[codes]
    found = pd.Series(spread, column.index, name=column.name).dt.tz_localize("UTC")
    wrong = found.isna() & column.notna()
    _refuse(column, wrong.to_numpy(), name, "are no moments in time")
    return found


def _plain_numbers(column: pd.Series, decimal: str) -> pd.Series:
    other = "," if decimal == "." else "."
    codes, values = pd.factorize(column.astype(object))
    plain = [_plain_number(value, decimal, other) for value in values]
    return pd.Series(np.array([*plain, None], dtype=object)[codes], column.index)


def _plain_number(value: object, decimal: str, other: str) -> object:
    if not isinstance(value, str):
        return value
    text = value.replace("\u00a0", "").replace("\u202f", "").replace(" ", "").replace("'", "")
    return text.replace(other, "").replace(decimal, ".")


def _parse_booleans(column: pd.Series, name: str, words: Sequence[str]) -> pd.Series:
    texts = as_texts(column).map(lambda text: text.lower(), na_action="ignore")
    false, true = ({word.lower()} | usual for word, usual in zip(words or ("", ""), WORDS,
                                                                 strict=True))  # fmt: skip
    found = pd.Series(np.nan, column.index, dtype=np.float32, name=column.name)
    found[texts.isin(false)] = 0.0
    found[texts.isin(true)] = 1.0
    wrong = found.isna() & texts.notna()
    _refuse(column, wrong.to_numpy(), name, f"are neither of {list(words) or ['false', 'true']}")
    return found


def _refuse(column: pd.Series, wrong: np.ndarray, name: str, problem: str) -> None:
    if wrong.any():
        shown = [str(value)[:40] for value in column[wrong].head(SHOWN)]
        raise UnreadableError(
            f"{name}: {int(wrong.sum())} of {len(column)} values {problem}: {shown}; list them "
            f"under features.{name}.missing or change its kind",
            wrong,
        )
