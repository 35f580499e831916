"""Which files hold a table to score, and what can be known of them before they are read."""

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
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


def common_columns(files: Sequence[InputFile]) -> set[str]:
    """Columns that every file has.

    Raises:
        DatasetError: as column_types.
    """
    return set.intersection(*(set(column_types(file)) for file in files))


def require_one_type(files: Sequence[InputFile], name: str) -> None:
    """Refuse files whose columns of this name could not become one.

    Raises:
        DatasetError: names the types, or as column_types.
    """
    types = (column_types(file).get(name) for file in files)
    found = sorted({str(kind) for kind in types if kind is not None})
    if len(found) > 1:
        raise DatasetError(f"{name} is of the types {found} in different files; make them one")


def count_groups(file: InputFile) -> int:
    """Row groups of a Parquet file; 0 for CSV."""
    if file.format == "csv":
        return 0
    with open_parquet(file) as parquet:
        return int(parquet.num_row_groups)


def column_types(file: InputFile) -> dict[str, pa.DataType]:
    """Names and types of a file's columns, before anything is read; texts in CSV.

    Raises:
        DatasetError: it is not what its name says, or names a column twice.
    """
    if file.format == "parquet":
        fields = [(field.name, field.type) for field in open_parquet(file).schema_arrow]
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
        rows = open_parquet(file).metadata.num_rows
        return InputFile(*facts, file.digest, rows)
    text, encoding = _decode(_head(file))
    return InputFile(*facts, file.digest, None, _delimiter(text), encoding)


def file_system(file: InputFile) -> tuple[Any, str]:
    """An Arrow file system and the file's path in it."""
    system, path = fsspec.core.url_to_fs(file.address)
    if file.address.startswith("file://"):
        return pa.fs.LocalFileSystem(), path
    return pa.fs.PyFileSystem(pa.fs.FSSpecHandler(system)), path


def _head(file: InputFile) -> bytes:
    system, path = file_system(file)
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


def open_parquet(file: InputFile) -> pq.ParquetFile:
    """The file, opened but not read.

    Raises:
        DatasetError: it is not Parquet.
    """
    system, path = file_system(file)
    try:
        return pq.ParquetFile(system.open_input_file(path), pre_buffer=False)
    except pa.ArrowInvalid as error:
        raise DatasetError(f"{file.address} is not a Parquet file: {error}") from None
