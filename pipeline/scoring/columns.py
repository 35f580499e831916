"""A chunk's columns, typed as the features' kinds ask, and which of its rows cannot be."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.schema import MAGNITUDE_LIMIT, Feature
from pipeline.columns import parse_column
from pipeline.frames import DatasetError

SHOWN = 3
Problems = dict[int, list[str]]  # by row of the chunk, from 0


def read_features(
    table: pa.Table, features: Sequence[Feature], every: bool
) -> tuple[dict[str, Any], Problems]:
    """Typed columns as FeatureSchema.to_matrices takes them, and the rows that have problems.

    Args:
        every: find all problems; otherwise a few of each column are enough.
    """
    columns: dict[str, Any] = {}
    problems: Problems = defaultdict(list)
    for feature in features:
        column = table.column(feature.name)
        columns[feature.name], wrong, missing = read_column(column, feature, every)
        for row in wrong if every else wrong[:SHOWN]:
            shown = repr(column[int(row)].as_py())[:40]
            problems[int(row)].append(f"{feature.name}: {shown} is not {feature.kind}")
        if not feature.nullable:
            for row in missing if every else missing[:SHOWN]:
                problems[int(row)].append(f"{feature.name}: is missing")
    return columns, problems


def read_column(
    column: pa.ChunkedArray, feature: Feature, every: bool
) -> tuple[Any, NDArray[np.int64], NDArray[np.int64]]:
    """A column typed as its kind asks; rows whose value is of another kind; rows without one.

    pipeline/columns.parse_column decides about each distinct value once: it looks at no value's
    neighbours, so that is the same and takes a fraction of the time.
    """
    column = decode(column)
    values = _plain_numbers(column, feature)
    if values is not None:
        codes = np.arange(len(column))
    else:
        encoded = column.combine_chunks().dictionary_encode()
        values = encoded.dictionary.to_pandas()
        codes = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    typed, wrong = _parse(values, feature, every)
    spread, mistaken = typed[codes], wrong[codes]
    # Where a few mistakes are enough, the other values were not read.
    missing = pd.isna(spread) & ~mistaken & (every or not wrong.any())
    found = pd.Series(spread) if feature.kind == "datetime" else spread
    return found, np.flatnonzero(mistaken), np.flatnonzero(missing)


def decode(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column without its dictionary, which may hold values that no row has."""
    if pa.types.is_dictionary(column.type):
        return column.cast(column.type.value_type)
    return column


def _plain_numbers(column: Any, feature: Feature) -> Any:
    """Numbers that are nobody's text, or plain texts of them; None = neither."""
    if feature.kind not in ("numeric", "integer"):
        return None
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return column.to_pandas()
    if not pa.types.is_string(column.type) or feature.decimal != ".":
        return None
    # Arrow reads plain texts ten times as fast; what it refuses goes the usual way.
    marks = pa.array(["", *(text.strip() for text in feature.missing)])
    trimmed = pc.utf8_trim_whitespace(column)
    try:
        numbers = pc.cast(pc.if_else(pc.is_in(trimmed, marks), None, trimmed), pa.float64())
    except pa.ArrowInvalid:
        return None
    return None if pc.all(pc.is_finite(numbers)).as_py() is False else numbers.to_pandas()


def _parse(
    values: pd.Series, feature: Feature, every: bool
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values as parse_column types them and which of them are wrong, each with one more for null.

    What is wrong counts as missing from here on.
    """
    wrong = np.zeros(len(values) + 1, bool)
    found = _wrong(values, feature)
    wrong[list(found if every else islice(found, SHOWN))] = True
    if wrong.any() and not every:
        values = values[wrong[:-1]].reindex(values.index)  # others may be wrong, too
    typed = _parse_column(values.mask(wrong[:-1]) if wrong.any() else values, feature)
    if feature.kind == "datetime":
        moments = typed.dt.tz_convert(None).to_numpy("datetime64[s]")
        return np.append(moments, np.datetime64("NaT", "s")), wrong
    if feature.kind == "categorical":
        return np.array([*typed.to_numpy(object), None], dtype=object), wrong
    numbers = np.append(typed.to_numpy(np.float32), np.float32(np.nan))
    beyond = np.abs(numbers) > MAGNITUDE_LIMIT  # the service refuses them as well
    return np.where(beyond, np.float32(np.nan), numbers), wrong | beyond


def _wrong(values: pd.Series, feature: Feature) -> Iterator[int]:
    """Positions of values that are not of the feature's kind, found by halving."""
    try:
        _parse_column(values, feature)
    except DatasetError:
        if len(values) == 1:
            yield int(values.index[0])
            return
        half = len(values) // 2
        yield from _wrong(values.iloc[:half], feature)
        yield from _wrong(values.iloc[half:], feature)


def _parse_column(values: pd.Series, feature: Feature) -> pd.Series:
    with np.errstate(over="ignore"):  # what float32 cannot hold is beyond the limit
        return parse_column(values, feature.name, feature)
