"""What a group of requests is answered, and the rows that say so in the ledger."""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray
from uuid_utils import uuid7

from service.answer.predictor import NotFiniteError, Prediction, Predictor, Reading
from service.ledger.batch import KeptAnswer
from service.ledger.groups import Job
from service.ledger.idempotency import Claim
from service.ledger.insert import Row


class Answer(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a request gets back, one entry a row; see predictor.Reading."""

    prediction: list[Prediction]
    probability: list[float] | list[list[float]] | None = None
    interval: list[list[float]] | None = None
    prediction_id: list[str]
    model_version: str


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def answer_group(predictor: Predictor, group: Sequence[Job]) -> list[Job]:
    """One call of the model for the group; gives the jobs that it has a finite answer for."""
    answered = []
    readings = predictor.read_each(_ask(predictor, group), [job.rows for job in group])
    for job, reading in zip(group, readings, strict=True):
        if isinstance(reading, NotFiniteError):
            job.answer = reading
            continue
        job.reading = reading
        job.answer = _answer(reading, predictor.version, job.payload.first_id)
        answered.append(job)
    return answered


def _ask(predictor: Predictor, group: Sequence[Job]) -> NDArray[np.float32]:
    """What the model answers to the group's rows, float32 (n, outputs)."""
    waiting = [job for job in group if job.payload.asked is not predictor]
    if not waiting:
        return np.concatenate([job.payload.answers for job in group])
    answers = predictor.answers(
        [row for job in waiting for row in job.payload.numeric],
        [row for job in waiting for row in job.payload.text],
    )
    if len(waiting) == len(group):
        return answers
    parts = iter(np.split(answers, np.cumsum([job.rows for job in waiting])[:-1]))
    known = (job.payload.answers if job.payload.asked is predictor else None for job in group)
    return np.concatenate([next(parts) if own is None else own for own in known])


def rows_of(job: Job, now: datetime) -> list[Row]:
    """What the ledger keeps of an answered job."""
    answer: Answer = job.answer
    reading: Reading = job.reading
    event_time = job.payload.event_time or now
    version = answer.model_version
    return [
        (prediction_id, now, event_time, version, features, _as_json(label), logged, scores)
        for prediction_id, features, label, logged, scores in zip(
            answer.prediction_id,
            job.payload.features,
            answer.prediction,
            reading.logged,
            reading.scores,
            strict=True,
        )
    ]


def keep_answer(claim: Claim, answer: Answer, start: int, stop: int) -> KeptAnswer:
    """What is stored under a request's key; `start` to `stop` are its rows in the batch."""
    return KeptAnswer(*claim, _encode(answer).decode(), start, stop)


def decode_answer(kept: str) -> Answer:
    """The answer that keep_answer kept; it is encoded to the same bytes again."""
    return Answer(**_decode(kept))


def _answer(reading: Reading, version: str, first_id: str | None) -> Answer:
    ids = [str(uuid7()) for _ in reading.prediction]
    if first_id is not None:
        ids[0] = first_id
    return Answer(
        prediction=reading.prediction,
        probability=reading.probability,
        interval=reading.interval,
        prediction_id=ids,
        model_version=version,
    )


# `typed`: True, 1 and 1.0 are equal, their JSON is not.
@lru_cache(maxsize=1000, typed=True)
def _as_json(prediction: Prediction) -> str:
    return json.dumps(prediction)
