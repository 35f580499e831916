"""Reads tables to score as Arrow chunks, in bounded memory.

Chunks never cross files and begin at fixed rows, so that an interrupted run can go on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import pyarrow as pa
import pyarrow.csv

from pipeline.frames import DatasetError
from pipeline.scoring.input import InputFile, column_types, file_system, open_parquet

BLOCK_BYTES = 1 << 22  # the longest row that CSV may have


@dataclass(frozen=True)
class Chunk:
    """Rows of a file; `number` counts the file's chunks, `first` is its first row, both from 0."""

    file: int
    number: int
    first: int
    table: pa.Table


def read_chunks(
    files: Sequence[InputFile],
    columns: Sequence[str],
    rows: int,
    after: tuple[int, int] | None = None,
) -> Iterator[Chunk]:
    """The files' chunks of at most `rows` rows, in order.

    Args:
        columns: the columns to read; of CSV as texts.
        after: file and number of the last chunk that is not wanted.

    Raises:
        DatasetError: a column is missing, or a file cannot be read.
    """
    start, done = (after[0], after[1] + 1) if after else (0, 0)
    for index in range(start, len(files)):
        tables = read_file(files[index], columns, rows, skip=done * rows)
        for number, table in enumerate(tables, start=done):
            yield Chunk(index, number, number * rows, table)
        done = 0


def read_file(
    file: InputFile, columns: Sequence[str], rows: int, *, skip: int = 0, group: int | None = None
) -> Iterator[pa.Table]:
    """Tables of exactly `rows` rows, only the last one shorter; one of none for an empty file.

    Args:
        skip: rows at the beginning that are left out.
        group: of a Parquet file, only this row group.

    Raises:
        DatasetError: a column is missing, or the file cannot be read.
    """
    try:
        if file.format == "parquet":
            tables = _read_parquet(file, list(columns), rows, skip, group)
        else:
            tables = _read_csv(file, list(columns), skip)
        yield from _regroup(tables, rows, anyway=skip == 0)
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError, UnicodeError) as error:
        message = str(error).splitlines()[0]
        raise DatasetError(f"{file.address} cannot be read as {file.format}: {message}") from None


def _require(file: InputFile, columns: list[str], found: Sequence[str]) -> None:
    absent = [name for name in columns if name not in found]
    if absent:
        shown = list(islice(found, 50))
        raise DatasetError(f"{file.address} lacks the columns {absent}; it has {shown}")


def _read_parquet(
    file: InputFile, columns: list[str], rows: int, skip: int, group: int | None
) -> Iterator[pa.Table]:
    with open_parquet(file) as parquet:
        _require(file, columns, list(column_types(file)))
        sizes = [parquet.metadata.row_group(i).num_rows for i in range(parquet.num_row_groups)]
        first = 0
        while first < len(sizes) and skip >= sizes[first]:
            skip -= sizes[first]
            first += 1
        groups = list(range(first, len(sizes))) if group is None else [group]
        yield parquet.schema_arrow.empty_table().select(columns)
        if not groups:
            return
        for batch in parquet.iter_batches(rows, row_groups=groups, columns=columns):
            yield pa.Table.from_batches([batch.slice(min(skip, len(batch)))]).select(columns)
            skip -= min(skip, len(batch))


def _read_csv(file: InputFile, columns: list[str], skip: int) -> Iterator[pa.Table]:
    _require(file, columns, list(column_types(file)))
    system, path = file_system(file)
    with system.open_input_stream(path, compression="detect") as stream:
        reader = pa.csv.open_csv(
            stream,
            pa.csv.ReadOptions(block_size=BLOCK_BYTES, encoding=file.encoding),
            pa.csv.ParseOptions(delimiter=file.delimiter, newlines_in_values=True),
            pa.csv.ConvertOptions(
                include_columns=columns,
                column_types={name: pa.string() for name in columns},
                strings_can_be_null=False,
            ),
        )
        texts = pa.schema([(name, pa.string()) for name in columns])
        yield texts.empty_table()
        for batch in reader:
            yield pa.Table.from_batches([batch.slice(min(skip, len(batch)))])
            skip -= min(skip, len(batch))


def _regroup(tables: Iterator[pa.Table], rows: int, anyway: bool) -> Iterator[pa.Table]:
    held: list[pa.Table] = []
    count = given = 0
    for table in tables:
        held.append(table)
        count += len(table)
        while count >= rows:
            together = pa.concat_tables(held)
            yield together.slice(0, rows)
            held, count, given = [together.slice(rows)], count - rows, given + 1
    if count or (anyway and not given):
        yield pa.concat_tables(held)
