"""A column of every part, typed as its kind asks, with what could not be read set aside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from contracts.params import Data, FeatureParams, Kind
from contracts.schema import MAGNITUDE_LIMIT
from pipeline.columns import (
    UnreadableError,
    as_texts,
    mark_missing,
    parse_column,
    parse_moments,
    parse_numbers,
)
from pipeline.validation.findings import EXAMPLES, shown
from pipeline.validation.raw_parts import Part, read_column

Parse = Callable[[pd.Series], pd.Series]


@dataclass(frozen=True)
class Column:
    """One column of all labelled rows, in order of the parts.

    Attributes:
        values: as parse_column types them; what cannot be used is missing.
        unreadable: bool (n,), values that are not of the kind.
        boundless: bool (n,), numbers that are infinite or beyond any data.
        originals: text in the file of the first values that cannot be used, by position.
    """

    name: str
    kind: Kind
    values: pd.Series
    unreadable: np.ndarray
    boundless: np.ndarray
    originals: dict[int, str]

    def shown(self, position: int) -> str:
        """The value as a person may look for it."""
        if position in self.originals:
            return self.originals[position]
        value = self.values.iloc[position]
        return "missing" if pd.isna(value) else shown(value)

    @property
    def absent(self) -> np.ndarray:
        """bool (n,), values that the table itself lacks."""
        missing: np.ndarray = self.values.isna().to_numpy()
        return np.asarray(missing & ~self.unreadable & ~self.boundless)


def read_feature(parts: Sequence[Part], name: str, feature: FeatureParams) -> Column:
    """A feature as `prepare` reads it."""
    return _read(parts, name, feature.kind, lambda column: parse_column(column, name, feature))


def read_target(parts: Sequence[Part], data: Data) -> Column:
    """A regression's float64, or the texts of classes (columns.canonical)."""
    name = data.target
    if data.task == "regression":
        return _read(
            parts, name, "numeric", lambda c: parse_numbers(mark_missing(c), name, data.decimal)
        )
    return _read(parts, name, "categorical", lambda column: as_texts(mark_missing(column)))


def read_times(parts: Sequence[Part], data: Data) -> Column:
    """When each row became a question; `until` where the table has no timestamp."""
    name = data.time_column
    if data.timestamp is None:
        rows = sum(len(part.labelled) for part in parts)
        until = pd.Series(pd.Timestamp(data.until, tz="UTC").as_unit("s"), range(rows))
        return Column(name, "datetime", until, np.zeros(rows, bool), np.zeros(rows, bool), {})
    return _read(
        parts, name, "datetime", lambda c: parse_moments(mark_missing(c), name, data.day_first)
    )


def _read(parts: Sequence[Part], name: str, kind: Kind, parse: Parse) -> Column:
    columns, before = [], 0
    for part in parts:
        columns.append(_read_part(read_column(part, name), name, kind, parse, before))
        before += len(part.labelled)
    if len(columns) == 1:
        return columns[0]
    return Column(
        name,
        kind,
        pd.concat([column.values for column in columns], ignore_index=True),
        np.concatenate([column.unreadable for column in columns]),
        np.concatenate([column.boundless for column in columns]),
        {at: text for column in columns for at, text in column.originals.items()},
    )


def _read_part(raw: pd.Series, name: str, kind: Kind, parse: Parse, before: int) -> Column:
    boundless = np.zeros(len(raw), bool)
    if pd.api.types.is_float_dtype(raw.dtype):
        boundless = np.isinf(raw.to_numpy(np.float64, na_value=np.nan))
    values, unreadable = _parse(raw.mask(boundless) if boundless.any() else raw, parse)
    if kind in ("numeric", "integer"):
        boundless |= (values.abs() > MAGNITUDE_LIMIT).to_numpy()
        values = values.mask(boundless) if boundless.any() else values
    positions = np.concatenate(
        [np.flatnonzero(mask)[:EXAMPLES] for mask in (unreadable, boundless)]
    )
    originals = {before + int(at): shown(raw.iloc[at]) for at in positions}
    return Column(name, kind, values, unreadable, boundless, originals)


def _parse(raw: pd.Series, parse: Parse) -> tuple[pd.Series, np.ndarray]:
    """Parse again without the values that were refused, until none is."""
    unreadable = np.zeros(len(raw), bool)
    while True:
        try:
            with np.errstate(over="ignore"):  # 1e300 is found by its size
                return parse(raw), unreadable
        except UnreadableError as error:
            unreadable |= error.wrong
            raw = raw.astype(object).mask(error.wrong, None)
