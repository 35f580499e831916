"""Freezes the outcomes so far into an immutable, digested file that training can depend on."""

import hashlib
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from contracts.schema import EVENT_TIME, OUTCOME, FeatureSchema
from monitoring.windows import read_labelled

DIGEST_LENGTH = 16


class NoOutcomesError(LookupError):
    """No prediction has an outcome yet."""

    def __init__(self, until: datetime) -> None:
        super().__init__(f"no prediction before {until:%Y-%m-%d %H:%M} has an outcome")


def write_snapshot(
    connection: Connection,
    schema: FeatureSchema,
    until: datetime,
    directory: Path,
    start: datetime | None = None,
) -> Path:
    """Write labelled predictions as `<digest>.parquet`, with the columns of the raw table.

    Predictions logged under another schema that lack a feature are left out.

    Args:
        start: none before it; None = from the first one.

    Raises:
        NoOutcomesError: there is nothing to write.
    """
    frame = read_labelled(connection, until, start)
    if frame.empty:
        raise NoOutcomesError(until)
    required = [f.name for f in schema.features if not f.nullable]
    frame = frame.reindex(columns=[*schema.names, OUTCOME, EVENT_TIME])
    frame = frame.dropna(subset=required, ignore_index=True)
    named = {OUTCOME: schema.target.name, EVENT_TIME: schema.timestamp}
    content = frame.rename(columns=named).to_parquet()
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{hashlib.sha256(content).hexdigest()[:DIGEST_LENGTH]}.parquet"
    path.write_bytes(content)
    return path
