"""Tables to score, as streams of Arrow chunks: CSV or Parquet, a file or a directory of them.

Chunks never cross files and begin at fixed rows, so that an interrupted run can go on.
"""

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

import fsspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.fs
import pyarrow.parquet as pq

from pipeline.frames import DatasetError

Format = Literal["csv", "parquet"]
SUFFIXES: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".csv.gz": "csv", ".tsv.gz": "csv",
    ".parquet": "parquet", ".pq": "parquet",
}  # fmt: skip
DELIMITERS = ",;\t|"
HEAD_BYTES = 1 << 16
BLOCK_BYTES = 1 << 22  # the longest row that CSV may have


@dataclass(frozen=True)
class InputFile:
    """One file and what tells it from another: a run that is resumed must find the same."""

    address: str
    name: str
    format: Format
    size: int
    changed: str
    digest: str  # SHA-256 of the first and the last 64 KiB
    rows: int | None  # None = not known before it is read
    delimiter: str = ","
    encoding: str = "utf-8"


@dataclass(frozen=True)
class Chunk:
    """Rows of a file; `number` counts the file's chunks, `first` is its first row, both from 0."""

    file: int
    number: int
    first: int
    table: pa.Table


def find_files(address: str) -> list[InputFile]:
    """The file, or the directory's files in order of their names.

    Args:
        address: a path, or an address that fsspec knows (s3://bucket/orders/).

    Raises:
        DatasetError: there is none, or its form is not known.
    """
    try:
        system, path = fsspec.core.url_to_fs(address)
        names = _names(system, path)
    except (ImportError, ValueError, OSError) as error:
        raise DatasetError(f"{address} cannot be opened: {error}") from None
    if not names:
        raise DatasetError(f"{address} has no file that ends with one of {', '.join(SUFFIXES)}")
    return [_describe(system, name) for name in names]


def count_rows(files: Sequence[InputFile]) -> int | None:
    """Rows of all files: exact for Parquet, estimated for CSV; None where no guess is fair."""
    counts = [file.rows if file.rows is not None else _estimate_rows(file) for file in files]
    return None if None in counts else sum(count or 0 for count in counts)


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


def common_columns(files: Sequence[InputFile]) -> set[str]:
    """Columns that every file has.

    Raises:
        DatasetError: as column_types.
    """
    return set.intersection(*(set(column_types(file)) for file in files))


def count_groups(file: InputFile) -> int:
    """Row groups of a Parquet file; 0 for CSV."""
    if file.format == "csv":
        return 0
    with _parquet(file) as parquet:
        return int(parquet.num_row_groups)


def column_types(file: InputFile) -> dict[str, pa.DataType]:
    """Names and types of a file's columns, before anything is read; texts in CSV.

    Raises:
        DatasetError: it is not what its name says, or names a column twice.
    """
    if file.format == "parquet":
        fields = [(field.name, field.type) for field in _parquet(file).schema_arrow]
    else:
        fields = [(name, pa.string()) for name in _header(file)]
    types = dict(fields)
    if len(types) < len(fields):
        names = [name for name, _ in fields]
        double = sorted({name for name in names if names.count(name) > 1})
        raise DatasetError(f"{file.address} has several columns called {double}; rename them")
    return types


def _names(system: Any, path: str) -> list[str]:
    if not system.isdir(path):
        system.info(path)  # raises where there is nothing
        return [path]
    found = (str(name) for name in system.find(path, maxdepth=1))
    return sorted(n for n in found if _format(n) and not _base(n).startswith(("_", ".")))


def _base(name: str) -> str:
    return name.rstrip("/").rsplit("/", 1)[-1]


def _format(name: str) -> Format | None:
    lower = name.lower()
    return next((SUFFIXES[suffix] for suffix in SUFFIXES if lower.endswith(suffix)), None)


def _describe(system: Any, path: str) -> InputFile:
    found, address = _format(path), str(system.unstrip_protocol(path))
    if found is None:
        raise DatasetError(f"{path} ends with none of {', '.join(SUFFIXES)}")
    info = system.info(path)
    head, tail = system.head(path, HEAD_BYTES), system.tail(path, HEAD_BYTES)
    if not head:
        raise DatasetError(f"{path} is empty")
    if not info.get("size"):
        raise DatasetError(f"{address} does not tell its size; download it first")
    changed = next((info[k] for k in ("mtime", "ETag", "LastModified") if k in info), "")
    facts = (address, _base(path), found, int(info["size"]), str(changed))
    file = InputFile(*facts, hashlib.sha256(head + tail).hexdigest(), None)
    if found == "parquet":
        rows = _parquet(file).metadata.num_rows
        return InputFile(*facts, file.digest, rows)
    text, encoding = _decode(_head(file))
    return InputFile(*facts, file.digest, None, _delimiter(text), encoding)


def _file_system(file: InputFile) -> tuple[Any, str]:
    system, path = fsspec.core.url_to_fs(file.address)
    if file.address.startswith("file://"):
        return pa.fs.LocalFileSystem(), path
    return pa.fs.PyFileSystem(pa.fs.FSSpecHandler(system)), path


def _head(file: InputFile) -> bytes:
    system, path = _file_system(file)
    with system.open_input_stream(path, compression="detect") as stream:
        content: bytes = stream.read(HEAD_BYTES)
        return content


def _decode(head: bytes) -> tuple[str, str]:
    """The head as text, and its encoding: UTF-8, UTF-16 by its mark, else Windows-1252."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", errors="ignore"), "utf-16"
    try:
        # The head may end within a character of up to four bytes.
        return head.decode("utf-8-sig", errors="strict"), "utf-8"
    except UnicodeDecodeError as error:
        if error.start >= len(head) - 3 and len(head) == HEAD_BYTES:
            return head[: error.start].decode("utf-8-sig"), "utf-8"
        return head.decode("cp1252", errors="replace"), "cp1252"


def _delimiter(text: str) -> str:
    """The one that cuts the header into most names."""
    counts = [len(next(csv.reader(io.StringIO(text), delimiter=d), [])) for d in DELIMITERS]
    return DELIMITERS[counts.index(max(counts))]


def _header(file: InputFile) -> list[str]:
    text, _ = _decode(_head(file))
    return next(csv.reader(io.StringIO(text), delimiter=file.delimiter), [])


def _estimate_rows(file: InputFile) -> int | None:
    if file.name.lower().endswith(".gz"):
        return None
    head = _head(file)
    if len(head) < HEAD_BYTES:
        return max(len(head.splitlines()) - 1, 0)
    lines = head.count(b"\n")
    return file.size * lines // len(head) if lines else None


def _parquet(file: InputFile) -> pq.ParquetFile:
    system, path = _file_system(file)
    try:
        return pq.ParquetFile(system.open_input_file(path), pre_buffer=False)
    except pa.ArrowInvalid as error:
        raise DatasetError(f"{file.address} is not a Parquet file: {error}") from None


def _require(file: InputFile, columns: list[str], found: Sequence[str]) -> None:
    absent = [name for name in columns if name not in found]
    if absent:
        shown = list(islice(found, 50))
        raise DatasetError(f"{file.address} lacks the columns {absent}; it has {shown}")


def _read_parquet(
    file: InputFile, columns: list[str], rows: int, skip: int, group: int | None
) -> Iterator[pa.Table]:
    with _parquet(file) as parquet:
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
    system, path = _file_system(file)
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
