"""The files that training learns from, read column by column: a table need not fit in memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.columns import mark_missing
from pipeline.frames import DatasetError


@dataclass(frozen=True)
class Part:
    """One file: the table that ingest wrote, or a snapshot of outcomes.

    Only rows with a target are looked at further: no other row is learned from.

    Attributes:
        labelled: int64, positions of the rows with a target; of all rows if it has no target.
    """

    path: Path
    columns: frozenset[str]
    rows: int
    labelled: np.ndarray


def open_parts(raw: Path, outcomes: Path, target: str) -> list[Part]:
    """The raw table first, then every snapshot in order of its name.

    Raises:
        DatasetError: a file does not exist or is not Parquet.
    """
    return [_open_part(path, target) for path in (raw, *sorted(outcomes.glob("*.parquet")))]


def read_column(part: Part, name: str) -> pd.Series:
    """The labelled rows of one column, as the file holds them; all missing if it is not there."""
    if name not in part.columns:
        return pd.Series(None, range(len(part.labelled)), dtype=object, name=name)
    column = _read(part.path, name)
    if len(part.labelled) == len(column):
        return column
    return column.take(part.labelled).reset_index(drop=True)


def place(parts: Sequence[Part], position: int) -> tuple[str, int]:
    """File name and row in it (the first is 0) of a position among all labelled rows."""
    for part in parts:
        if position < len(part.labelled):
            return part.path.name, int(part.labelled[position])
        position -= len(part.labelled)
    raise IndexError(position)


def rows_of(parts: Iterable[Part]) -> int:
    """Number of labelled rows."""
    return sum(len(part.labelled) for part in parts)


def _open_part(path: Path, target: str) -> Part:
    try:
        file = pq.ParquetFile(path)
    except FileNotFoundError:
        raise DatasetError(f"{path} does not exist; `dvc repro ingest` makes it") from None
    except pa.ArrowInvalid as error:
        raise DatasetError(f"{path} is not Parquet: {error}") from None
    with file:
        columns, rows = frozenset(file.schema_arrow.names), file.metadata.num_rows
    if target not in columns:
        return Part(path, columns, rows, np.arange(rows))
    known = mark_missing(_read(path, target)).notna()
    return Part(path, columns, rows, np.flatnonzero(known))


def _read(path: Path, name: str) -> pd.Series:
    # A dictionary holds each distinct text once; other types ignore the wish.
    table = pq.read_table(path, columns=[name], read_dictionary=[name])
    column: pd.Series = table.column(0).to_pandas()
    return column.rename(name)
