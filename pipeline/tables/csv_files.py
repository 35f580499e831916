"""CSV files: delimiter and encoding are found out, every value stays the text that it is."""

import codecs
import csv
import io
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.csv
from fsspec.core import OpenFile

from pipeline.frames import DatasetError
from pipeline.tables.parts import Part, check_names, texts_schema

DELIMITERS = ",;\t|"
HEAD_BYTES = 1 << 18
BLOCK_BYTES = 8 << 20
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def open_csv(file: OpenFile, name: str) -> Part:
    """A CSV file as one part; an unnamed first column, an exported index, is left out.

    Raises:
        DatasetError: it is empty or its header cannot be a table's.
    """
    encoding = find_encoding(file)
    with file as stream:
        decoder = codecs.getincrementaldecoder(encoding)()
        head = decoder.decode(stream.read(HEAD_BYTES))
    if not head.strip():
        raise DatasetError(f"{name}: is empty")
    delimiter = find_delimiter(head)
    header = next(csv.reader(io.StringIO(head), delimiter=delimiter))
    index = len(header) > 1 and not header[0].strip()
    kept = header[1:] if index else header
    check_names(kept, name)
    notes = (f"{name}: its first column has no name, so it is an index: left out",) if index else ()

    def batches() -> Iterator[pa.RecordBatch]:
        return _batches(file, header, kept, delimiter, encoding)

    return Part(name, texts_schema(kept), batches, notes)


def find_encoding(file: OpenFile) -> str:
    """UTF-16 by its mark; UTF-8 if the whole file is; otherwise Latin-1, which anything is."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    with file as stream:
        block = stream.read(BLOCK_BYTES)
        if block.startswith(UTF_16):
            return "utf-16"
        marked = block.startswith(codecs.BOM_UTF8)
        try:
            while block:
                decoder.decode(block)
                block = stream.read(BLOCK_BYTES)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8-sig" if marked else "utf-8"


def find_delimiter(head: str) -> str:
    """The delimiter that cuts the first lines into the same number of columns, the most of them."""
    lines = head.splitlines(keepends=True)
    whole = "".join(lines[:-1]) if len(lines) > 2 else head  # the last one may be cut off

    def columns(delimiter: str) -> tuple[bool, int]:
        widths = [len(row) for row in csv.reader(io.StringIO(whole), delimiter=delimiter) if row]
        regular = all(width == widths[0] for width in widths[:100])
        return regular and widths[0] > 1, widths[0]

    return max(DELIMITERS, key=columns)


def _batches(
    file: OpenFile, header: list[str], kept: list[str], delimiter: str, encoding: str
) -> Iterator[pa.RecordBatch]:
    options = pyarrow.csv.ConvertOptions(
        column_types={name: pa.string() for name in header},
        include_columns=kept, strings_can_be_null=False,
    )  # fmt: skip
    with file as stream:
        reader = pyarrow.csv.open_csv(
            stream,
            pyarrow.csv.ReadOptions(block_size=BLOCK_BYTES, encoding=encoding),
            pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            options,
        )
        yield from reader
