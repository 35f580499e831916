"""From a table's columns, whatever their type, to typed ones: the same for training and scoring.

Whoever reads a CSV file gets texts, a Parquet file types, a database a mixture.
"""

import re
from collections.abc import Sequence
from typing import Final, Protocol

import numpy as np
import pandas as pd

from contracts.params import Kind
from pipeline.frames import DatasetError

SHOWN = 3
MOMENT: Final = "datetime64[s, UTC]"
YEAR_FIRST = r"\d{4}[-/.]\d|\d{8}"
# A day, with a time or without one: 2021-04-03, 2021/4/3, 20210403, 3.4.2021, 3 Apr 2021.
MOMENT_TEXT = (
    r"(?:\d{4}[-/.]\d{1,2}(?:[-/.]\d{1,2}(?:[T ].*)?)?"
    r"|(?:19|20)\d{6}(?:[T ]?\d{4,6}.*)?"
    r"|\d{1,2}[-/. ]\d{1,2}[-/. ]\d{2,4}(?:[T, ].*)?"
    r"|(?:.*\d)?.*[A-Za-z]{3}.*\d{4}.*)"
)
COMMON_MOMENT = re.compile(r"\d{1,2}([-/.])\d{1,2}\1\d{4}(?: (\d\d:\d\d(?::\d\d)?))?")
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
    with np.errstate(over="ignore"):  # prepare refuses what becomes infinite by its magnitude
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


def class_texts(column: pd.Series, whole: bool) -> pd.Series:
    """A target's texts, None = missing.

    Args:
        whole: the classes are whole numbers: 1.0, "1.0", "01" and True are "1" then.
    """
    texts = as_texts(column)
    if not whole:
        return texts
    found = {text: _whole_text(text) for text in texts.dropna().unique()}
    return texts.map(found, na_action="ignore").astype(object)


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
    """datetime64[s, UTC] as `read_moments`.

    Raises:
        DatasetError: a value is no moment.
    """
    found = read_moments(column, day_first)
    wrong = found.isna() & column.notna()
    _refuse(column, wrong.to_numpy(), name, "are no moments in time")
    return found


def read_moments(column: pd.Series, day_first: bool) -> pd.Series:
    """datetime64[s, UTC], NaT where a value is no moment; without a zone it counts as UTC.

    Numbers, times without a day and words such as "now" are no moments: what they would be read
    as is a guess, or depends on the clock.
    """
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        return pd.to_datetime(column, utc=True).dt.floor("s").astype(MOMENT)
    codes, values = pd.factorize(column.astype(object))
    distinct = pd.Series(values, dtype=object).map(canonical)
    whole = distinct.str.fullmatch(MOMENT_TEXT).astype(bool)
    iso = whole & distinct.str.match(YEAR_FIRST)  # year first, whatever else is day first
    moments = pd.Series(pd.NaT, distinct.index, dtype=MOMENT)
    moments[iso] = _read_moments(distinct[iso], "ISO8601", day_first=False)
    own = whole & ~iso
    moments[own] = _read_moments(distinct[own], _common_format(distinct[own], day_first), day_first)
    spread = np.append(moments.to_numpy("datetime64[s]"), np.datetime64("NaT", "s"))[codes]
    return pd.Series(spread, column.index, name=column.name).dt.tz_localize("UTC")


def _read_moments(texts: pd.Series, common: str | None, day_first: bool) -> pd.Series:
    """MOMENT, NaT where a text is no moment: by the common format, one by one where it fails."""
    found = pd.Series(pd.NaT, texts.index, dtype=MOMENT)
    if common is not None:
        read = pd.to_datetime(texts, utc=True, format=common, errors="coerce")
        found = read.dt.floor("s").astype(MOMENT)
    rest = texts[found.isna()]
    one_by_one = pd.to_datetime(rest, utc=True, format="mixed", dayfirst=day_first, errors="coerce")
    found[rest.index] = one_by_one.dt.floor("s").astype(MOMENT)
    return found


def _common_format(texts: pd.Series, day_first: bool) -> str | None:
    """The first text's format, if it is one of digits: it reads a hundred times faster."""
    parts = COMMON_MOMENT.fullmatch(texts.iloc[0]) if len(texts) else None
    if parts is None:
        return None
    day, month = ("%d", "%m") if day_first else ("%m", "%d")
    clock = {0: "", 5: " %H:%M", 8: " %H:%M:%S"}[len(parts[2] or "")]
    return f"{day}{parts[1]}{month}{parts[1]}%Y{clock}"


def _whole_text(text: str) -> str:
    if text in ("True", "False"):
        return str(int(text == "True"))
    try:
        return canonical(float(text)) if text.lstrip("+-")[:1].isdigit() else text
    except ValueError:
        return text


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
            f"{name}: {int(wrong.sum())} of {len(column)} values {problem}: {shown}; mend them, "
            f"list them under features.{name}.missing or change its kind",
            wrong,
        )
