"""A durable answer as the bodies that MLflow's, SageMaker's and Vertex AI's clients read."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import msgspec

from service.ledger.answers import Answer
from service.protocols.media import CSV, LINES


def to_body(answer: Answer, kind: str) -> bytes:
    """The answer in one of media.ANSWERED."""
    if kind == CSV:
        return _to_csv(answer)
    if kind == LINES:
        return b"".join(msgspec.json.encode(one) + b"\n" for one in to_records(answer))
    named: dict[str, Any] = msgspec.to_builtins(answer)
    return msgspec.json.encode({"predictions": named.pop("prediction"), **named})


def to_records(answer: Answer) -> Iterator[dict[str, Any]]:
    """One object a row: prediction, probability or interval if there is one, id and version."""
    columns = {
        "prediction": answer.prediction,
        "probability": answer.probability,
        "interval": answer.interval,
        "prediction_id": answer.prediction_id,
    }
    given = {name: values for name, values in columns.items() if values is not None}
    for values in zip(*given.values(), strict=True):
        yield {**dict(zip(given, values, strict=True)), "model_version": answer.model_version}


def _to_csv(answer: Answer) -> bytes:
    """A line a row, no header: prediction, its numbers, prediction id, version."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for record in to_records(answer):
        prediction, *numbers, prediction_id, version = record.values()
        writer.writerow([prediction, *_flat(numbers), prediction_id, version])
    return text.getvalue().encode()


def _flat(numbers: list[Any]) -> Iterator[float]:
    for one in numbers:
        yield from one if isinstance(one, list) else [one]
