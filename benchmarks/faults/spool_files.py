"""Reads the spool's segments as they lie on a disk, apart from the service."""

from collections.abc import Iterator, Mapping

from service.batch import decode
from service.records import scan

from benchmarks.faults.requests import number_of

# (prediction_id, number of its request, model_version, features, prediction, probability)
Raw = tuple[str, int, str, str, str, float]


def spooled_rows(files: Mapping[str, bytes]) -> Iterator[Raw]:
    """The rows of all sound records.

    Args:
        files: contents by name; those that are no segments are passed over.
    """
    for name, data in files.items():
        if not name.endswith(".spool"):
            continue
        for record in scan(data, 0, True):
            if record.payload is not None:
                for row in decode(record.payload).rows:
                    prediction_id, _, event_time, version, features, label, chance, _ = row
                    yield (prediction_id, number_of(event_time), version, features, label,
                           chance or 0.0)  # fmt: skip
