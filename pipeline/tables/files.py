"""A team's table, wherever and whatever it is, as one stream of record batches."""

import lzma
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.core import OpenFile, url_to_fs
from sqlalchemy.exc import SQLAlchemyError
from tqdm import tqdm

from pipeline.frames import DatasetError
from pipeline.tables.csv_files import open_csv
from pipeline.tables.json_lines import open_json
from pipeline.tables.parquet_files import open_parquet
from pipeline.tables.parts import Part
from pipeline.tables.sql import is_database, open_query

READERS = {
    ".csv": open_csv, ".tsv": open_csv, ".txt": open_csv,
    ".parquet": open_parquet, ".pq": open_parquet,
    ".jsonl": open_json, ".ndjson": open_json, ".json": open_json,
}  # fmt: skip
PACKED = (".gz", ".bz2", ".xz", ".zip")
# What a file that is not what its name says makes its reader raise.
UNREADABLE = (
    pa.ArrowException, OSError, EOFError, UnicodeError, zlib.error, lzma.LZMAError, SQLAlchemyError,
)  # fmt: skip
GROUP_ROWS = 131_072
GROUP_BYTES = 64 << 20


def open_table(address: str, query: str | None = None) -> list[Part]:
    """The parts of a table, all with the same columns.

    Args:
        address: a file, a directory, a pattern with `*`, an address that fsspec knows (s3://,
            memory://, ...), or a database's URL.
        query: for a database: SQL or a table's name.

    Raises:
        DatasetError: nothing is there, it cannot be read, or its parts have different columns.
    """
    if query is not None or is_database(address):
        return [open_query(address, query)]
    files = _list_files(address)
    parts = [_open_file(file) for file in files]
    first = set(parts[0].schema.names)
    for part in parts[1:]:
        if set(part.schema.names) != first:
            differing = sorted(set(part.schema.names) ^ first)[:5]
            raise DatasetError(
                f"{part.name} and {parts[0].name} have different columns: {differing} are in one "
                "of them only; adopt them apart"
            )
    return parts


def write_table(parts: Sequence[Part], path: Path) -> int:
    """Stream every row into one Parquet file, in bounded memory.

    Returns:
        The number of rows.

    Raises:
        DatasetError: there is no row, or a part cannot be read to its end.
    """
    schema = _common_schema(parts)
    rows = 0
    with (
        pq.ParquetWriter(path, schema, compression="zstd") as writer,
        tqdm(unit=" rows", desc="reading", unit_scale=True) as progress,
    ):
        for group in _groups(_rows(parts, schema)):
            writer.write_table(pa.Table.from_batches(group, schema))
            read = sum(len(batch) for batch in group)
            rows += read
            progress.update(read)
    if rows == 0:
        raise DatasetError(f"{parts[0].name}: has no row")
    return rows


def _list_files(address: str) -> list[OpenFile]:
    try:
        system, path = url_to_fs(address)
        if system.isdir(path):
            paths = [found for found in sorted(system.find(path)) if _is_data(found, path)]
        else:
            paths = sorted(system.glob(path)) if "*" in path else [path] * system.exists(path)
    except ImportError as error:
        raise DatasetError(f"{address}: {error}") from None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{address} cannot be reached: {error}") from None
    if not paths:
        raise DatasetError(f"{address} does not exist, or holds none of {sorted(READERS)}")
    return [OpenFile(system, p, compression=fsspec.utils.infer_compression(p)) for p in paths]


def _is_data(found: str, directory: str) -> bool:
    inside = PurePosixPath(found).relative_to(PurePosixPath(directory)).parts
    if any("=" in part for part in inside[:-1]):
        raise DatasetError(
            f"{found}: the directory is partitioned; write it as files of all columns"
        )
    suffix = _suffix(found)  # a .txt beside tables is more often a note than a table
    return suffix in READERS and suffix != ".txt" and not inside[-1].startswith((".", "_"))


def _suffix(path: str) -> str:
    return PurePosixPath(path.lower().removesuffix(next(
        (end for end in PACKED if path.lower().endswith(end)), ""
    ))).suffix  # fmt: skip


def _open_file(file: OpenFile) -> Part:
    name = PurePosixPath(file.path).name
    reader = READERS.get(_suffix(file.path))
    if reader is None:
        raise DatasetError(f"{name}: is none of {sorted(READERS)}, packed or not")
    try:
        return reader(file, name)
    except UNREADABLE as error:
        raise DatasetError(f"{name} cannot be read: {_first_line(error)}") from None


def _common_schema(parts: Sequence[Part]) -> pa.Schema:
    try:
        found = pa.unify_schemas([part.schema for part in parts], promote_options="permissive")
    except pa.ArrowException as error:
        raise DatasetError(f"the files have different types: {_first_line(error)}") from None
    empty = [pa.types.is_null(field.type) for field in found]
    return pa.schema(
        [f.with_type(pa.string()) if e else f for f, e in zip(found, empty, strict=True)]
    )


def _rows(parts: Sequence[Part], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for part in parts:
        try:
            for batch in part.batches():
                arrays = [batch.column(name).cast(schema.field(name).type) for name in schema.names]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        except UNREADABLE as error:
            raise DatasetError(f"{part.name} cannot be read: {_first_line(error)}") from None


def _groups(batches: Iterator[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Batches that make a row group of Parquet together."""
    group: list[pa.RecordBatch] = []
    for batch in batches:
        group.append(batch)
        full = sum(each.nbytes for each in group) >= GROUP_BYTES
        if full or sum(len(each) for each in group) >= GROUP_ROWS:
            yield group
            group = []
    if group:
        yield group


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:300]
