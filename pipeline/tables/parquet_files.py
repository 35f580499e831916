"""Parquet files: their types stay, except those that no feature can have; these become texts."""

import json
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from fsspec.core import OpenFile

from pipeline.tables.parts import PANDAS_INDEX, Part, check_names

ROWS = 65_536


def open_parquet(file: OpenFile, name: str) -> Part:
    """A Parquet file as one part; an index that pandas wrote is left out.

    Raises:
        DatasetError: its names cannot be a table's.
    """
    with file as stream:
        found = pq.ParquetFile(stream).schema_arrow.remove_metadata()
    kept = [i for i, n in enumerate(found.names) if not n.startswith(PANDAS_INDEX)]
    check_names([found.names[i] for i in kept], name)
    schema = pa.schema([pa.field(found.names[i], plain_type(found.types[i])) for i in kept])
    dropped = len(kept) < len(found.names)
    notes = (f"{name}: the index that pandas wrote is left out",) if dropped else ()

    def batches() -> Iterator[pa.RecordBatch]:
        with file as stream:
            for batch in pq.ParquetFile(stream).iter_batches(ROWS):
                arrays = [_plain(batch.column(i), plain_type(found.types[i])) for i in kept]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return Part(name, schema, batches, notes)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type in which a column is kept: boolean, integer, float, timestamp or text.

    A column of nulls alone takes its type from other files.
    """
    if pa.types.is_dictionary(kind):
        return plain_type(kind.value_type)
    if pa.types.is_integer(kind) and kind != pa.uint64():
        return pa.int64()
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return pa.float64()
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    if pa.types.is_date(kind):
        return pa.timestamp("us")
    kept = pa.types.is_boolean(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind)
    return kind if kept else pa.string()


def _plain(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_nested(array.type) or pa.types.is_binary(array.type):
        return pa.array([_text(value) for value in array.to_pylist()], kind)
    return pc.cast(array, kind, safe=False)


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.hex() if isinstance(value, bytes) else json.dumps(value, default=str)
