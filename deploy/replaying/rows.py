"""The frozen snapshot: logged rows in a Parquet file, named by its SHA-256.

The same rows give the same bytes. Features, answers and outcomes are JSON, as the ledger has them.
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

COLUMNS = pa.schema(
    [
        ("row", pa.int64()),
        ("prediction_id", pa.string()),  # null = the row was never logged
        ("event_time", pa.timestamp("us", tz="UTC")),
        ("model_version", pa.string()),  # that answered then
        ("threshold", pa.float64()),  # of that version; null = its bundle is gone
        ("features", pa.string()),
        ("prediction", pa.string()),
        ("probability", pa.float64()),
        ("scores", pa.string()),
        ("outcome", pa.string()),  # null = not known yet
    ]
)


class SnapshotError(ValueError):
    """A file is not a snapshot, or there are no rows to make one of."""


@dataclass(frozen=True)
class Row:
    """One row that was asked; `number` counts from 0 in the snapshot."""

    number: int
    prediction_id: str | None
    features: dict[str, Any]
    outcome: Any = None
    has_outcome: bool = False

    @property
    def name(self) -> str:
        """How a verdict names it."""
        return f"row {self.number}" + (f" ({self.prediction_id})" if self.prediction_id else "")


@dataclass(frozen=True)
class Snapshot:
    sha256: str
    rows: tuple[Row, ...]
    first: datetime | None
    last: datetime | None


def write_snapshot(path: Path, records: Sequence[dict[str, Any]]) -> str:
    """Write records with the keys of COLUMNS, but `row`; returns the file's SHA-256.

    Raises:
        SnapshotError: there are none.
    """
    if not records:
        raise SnapshotError("there are no rows to replay")
    numbered = [{**record, "row": number} for number, record in enumerate(records)]
    content = io.BytesIO()
    table = pa.Table.from_pylist(numbered, COLUMNS)
    pq.write_table(table, content, compression="zstd", row_group_size=len(numbered))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.getvalue())
    return hashlib.sha256(content.getvalue()).hexdigest()


def read_snapshot(path: Path) -> Snapshot:
    """Read what `write_snapshot` wrote.

    Raises:
        SnapshotError: the file is missing or another one; made by `python -m deploy.snapshot`.
    """
    remedy = "make one with `python -m deploy.snapshot`"
    try:
        content = path.read_bytes()
        table = pq.read_table(io.BytesIO(content))
    except FileNotFoundError:
        raise SnapshotError(f"{path} does not exist; {remedy}") from None
    except pa.ArrowInvalid:
        raise SnapshotError(f"{path} is not a Parquet file; {remedy}") from None
    if table.schema != COLUMNS:
        raise SnapshotError(f"{path} has other columns than a snapshot; {remedy}")
    records = table.to_pylist()
    if not records:
        raise SnapshotError(f"{path} has no rows; {remedy}")
    times = [record["event_time"] for record in records if record["event_time"]]
    rows = tuple(_row(record) for record in records)
    sha256 = hashlib.sha256(content).hexdigest()
    return Snapshot(sha256, rows, min(times, default=None), max(times, default=None))


def _row(record: dict[str, Any]) -> Row:
    outcome = record["outcome"]
    return Row(
        record["row"],
        record["prediction_id"],
        json.loads(record["features"]),
        None if outcome is None else json.loads(outcome),
        outcome is not None,
    )
