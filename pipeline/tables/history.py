"""The source `table`: a team's own table, which pipeline/adopt.py brought to data/table."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.params import Data, ParamsError
from pipeline.columns import mark_missing, parse_moments, read_moments
from pipeline.frames import DatasetError

FILE = "table.parquet"
ROWS = 131_072
SHOWN = 3
MOMENT = pa.timestamp("us", "UTC")


def copy_history(directory: Path, raw: Path, data: Data) -> int:
    """Stream the rows before `data.until` into a Parquet file, in bounded memory.

    Every column stays as it is, but for the timestamp, which becomes aware UTC; rows without one
    are left out and counted on stderr. A table without a timestamp is taken whole.

    Returns:
        The number of rows.

    Raises:
        ParamsError: there is no table, it lacks the timestamp, or no row is older than that.
        DatasetError: a timestamp is no moment in time.
    """
    table = directory / FILE
    if not table.is_file():
        raise ParamsError(
            f"{table} does not exist; run `python -m pipeline.adopt`, or `dvc pull` if it was done"
        )
    schema = pq.read_schema(table)
    if data.timestamp is not None:
        if data.timestamp not in schema.names:
            raise ParamsError(f"data.timestamp: {data.timestamp!r} is no column of {table}")
        at = schema.get_field_index(data.timestamp)
        schema = schema.set(at, pa.field(data.timestamp, MOMENT))
    with pq.ParquetWriter(raw, schema, compression="zstd") as writer:
        batches = pq.ParquetFile(table).iter_batches(ROWS)
        counts = [_write(writer, batch, data) for batch in batches]
    rows = sum(written for written, _ in counts)
    without = sum(timeless for _, timeless in counts)
    if without:
        sys.stderr.write(f"{without} rows have no {data.timestamp} and are left out\n")
    if rows == 0:
        raise ParamsError(f"data.until: no row of {table} is older than {data.until}")
    return rows


def days_of(table: Path, name: str, day_first: bool) -> np.ndarray:
    """int64: the day since 1970 of every row that has a moment in this column.

    Raises:
        DatasetError: a value is no moment in time; tells how many of the whole table are not.
    """
    days, wrong, shown = [], 0, list[str]()
    for batch in pq.ParquetFile(table).iter_batches(ROWS, columns=[name]):
        column = _column(batch, name)
        moments = read_moments(column, day_first)
        strange = column[moments.isna() & column.notna()]
        wrong += len(strange)
        shown += [str(value)[:40] for value in strange.head(SHOWN - len(shown))]
        days.append(moments.dropna().to_numpy("datetime64[D]").astype(np.int64))
    if wrong:
        rows = pq.ParquetFile(table).metadata.num_rows
        raise DatasetError(
            f"--timestamp: {wrong} of {rows} values of {name!r} are no moments in time: {shown}; "
            "write them like 2021-04-03 or 2021-04-03T12:00:00Z"
        )
    return np.concatenate(days)


def _write(writer: pq.ParquetWriter, batch: pa.RecordBatch, data: Data) -> tuple[int, int]:
    """Rows written, and rows left out because they have no timestamp."""
    if data.timestamp is None:
        writer.write_batch(batch)
        return len(batch), 0
    moments = parse_moments(_column(batch, data.timestamp), data.timestamp, data.day_first)
    earlier = (moments < pd.Timestamp(data.until, tz="UTC")).to_numpy()
    at = batch.schema.get_field_index(data.timestamp)
    typed = batch.set_column(at, writer.schema.field(at), pa.array(moments).cast(MOMENT))
    writer.write_batch(typed.filter(pa.array(earlier)))
    return int(earlier.sum()), int(moments.isna().sum())


def _column(batch: pa.RecordBatch, name: str) -> pd.Series:
    return mark_missing(batch.column(batch.schema.get_field_index(name)).to_pandas())
