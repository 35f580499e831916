"""Rows of predictions, as the database or the spool's segments hold them."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Engine, select

from benchmarks.faults.requests import moment_of, number_of
from contracts.tables import predictions
from service.ledger.batch import decode
from service.ledger.records import scan

LAST = 10**12  # more requests than any trial makes


class Stored(NamedTuple):
    """A row; `features` and `prediction` are JSON, `number` is that of its request."""

    prediction_id: str
    number: int
    version: str
    features: str
    prediction: str
    probability: float


def stored_rows(engine: Engine, first: int = 0, last: int = LAST) -> list[Stored]:
    """The rows of the requests first to last; without both, all."""
    query = select(predictions).where(
        predictions.c.event_time.between(moment_of(first), moment_of(last))
    )
    with engine.connect() as connection:
        return [
            Stored(row.prediction_id, number_of(row.event_time), row.model_version, row.features,
                   row.prediction, row.probability)
            for row in connection.execute(query)
        ]  # fmt: skip


def spooled_rows(files: Mapping[str, bytes]) -> Iterator[Stored]:
    """The rows of all sound records.

    Args:
        files: contents by name; those that are no segments are passed over.
    """
    for name, data in files.items():
        if name.endswith(".spool"):
            for record in scan(data, 0, True):
                if record.payload is not None:
                    yield from rows_of(record.payload)


def rows_of(payload: bytes) -> list[Stored]:
    """The rows of one record."""
    return [
        Stored(prediction_id, number_of(event_time), version, features, label, chance or 0.0)
        for prediction_id, _, event_time, version, features, label, chance, _ in decode(
            payload
        ).rows
    ]
