"""JSON lines: one object per line; a value stays the text that it is, nested ones too."""

from collections.abc import Iterator

import msgspec
import pyarrow as pa
from fsspec.core import OpenFile

from pipeline.frames import DatasetError
from pipeline.tables.parts import Part, check_names

ROWS = 20_000
MOST_COLUMNS = 10_000
BOOLEANS = {b"true": True, b"false": False, b"null": None}

Row = dict[str, msgspec.Raw]


def open_json(file: OpenFile, name: str) -> Part:
    """A file of JSON lines as one part: booleans where all values are, otherwise texts.

    The whole file is read once for its columns, because a line may lack some.

    Raises:
        DatasetError: a line is not a JSON object, or the names cannot be a table's.
    """
    boolean: dict[str, bool | None] = {}  # None: only nulls so far
    for row in _rows(file, name):
        for column, value in row.items():
            raw = bytes(value)
            known = boolean.setdefault(column, None)
            if raw != b"null":
                boolean[column] = known is not False and raw in BOOLEANS
        if len(boolean) > MOST_COLUMNS:
            raise DatasetError(f"{name}: has more than {MOST_COLUMNS} columns")
    check_names(list(boolean), name)
    types = {None: pa.null(), True: pa.bool_(), False: pa.string()}
    schema = pa.schema([(column, types[kind]) for column, kind in boolean.items()])

    def batches() -> Iterator[pa.RecordBatch]:
        return _batches(file, name, schema)

    return Part(name, schema, batches)


def _batches(file: OpenFile, name: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    rows: list[Row] = []
    for row in _rows(file, name):
        rows.append(row)
        if len(rows) == ROWS:
            yield _batch(rows, schema)
            rows = []
    if rows:
        yield _batch(rows, schema)


def _batch(rows: list[Row], schema: pa.Schema) -> pa.RecordBatch:
    columns = []
    for field in schema:
        values = [_value(row[field.name]) if field.name in row else None for row in rows]
        if pa.types.is_string(field.type):
            values = [str(v).lower() if isinstance(v, bool) else v for v in values]
        columns.append(pa.array(values, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _value(value: msgspec.Raw) -> str | bool | None:
    raw = bytes(value)
    if raw in BOOLEANS:
        return BOOLEANS[raw]
    return msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode()


def _rows(file: OpenFile, name: str) -> Iterator[Row]:
    decoder = msgspec.json.Decoder(Row)
    with file as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                yield decoder.decode(line)
            except msgspec.DecodeError as error:
                raise DatasetError(
                    f"{name}: line {number} is no JSON object ({error}); write one object per line"
                ) from None
