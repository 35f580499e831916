"""Reads the spool's segments as they lie on a disk, apart from the service."""

from collections.abc import Iterator, Mapping

from benchmarks.faults.requests import number_of
from service.batch import decode
from service.records import scan

# (prediction_id, number of its request, model_version, features, prediction, probability)
Raw = tuple[str, int, str, str, str, float]


def spooled_rows(files: Mapping[str, bytes]) -> Iterator[Raw]:
    """The rows of all sound records.

    Args:
        files: contents by name; those that are no segments are passed over.
    """
    for name, data in files.items():
        if name.endswith(".spool"):
            for record in scan(data, 0, True):
                if record.payload is not None:
                    yield from rows_of(record.payload)


def rows_of(payload: bytes) -> list[Raw]:
    """The rows of one record."""
    return [
        (prediction_id, number_of(event_time), version, features, label, chance or 0.0)
        for prediction_id, _, event_time, version, features, label, chance, _ in decode(
            payload
        ).rows
    ]
