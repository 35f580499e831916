"""Puts a snapshot's rows to one process, and names each row that it does not answer."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.schema import FeatureSchema
from deploy.replaying.door import BrokenDoorError, Door, Reply
from deploy.replaying.rows import Row

BATCH_ROWS = 200
MOST_FAILED = 20  # rows that are named; then the rest is not asked
MOST_ENDED = 3  # the same where the process ended at each


@dataclass(frozen=True)
class Answer:
    """`scores`: as Target.outputs. `prediction`: a class, or a regression's value."""

    prediction: Any
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Failure:
    """A row without an answer; `told`: what was said, `ended`: whether the process ended at it."""

    row: Row
    told: str
    ended: bool


@dataclass
class Asked:
    """What one process said. `gone`: why rows after the last failure were not asked; "" = all were.

    Attributes:
        answers, failures: by the row's number.
        together: batches that failed, while each of their rows alone did not.
        versions: of models that answered.
    """

    answers: dict[int, Answer] = field(default_factory=dict)
    failures: dict[int, Failure] = field(default_factory=dict)
    together: list[str] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    gone: str = ""

    @property
    def ended(self) -> int:
        return sum(failure.ended for failure in self.failures.values())


def body_of(rows: Sequence[Row], schema: FeatureSchema) -> str:
    """A request for these rows, with the features that the model knows."""
    instances = [
        {name: row.features[name] for name in schema.names if name in row.features} for row in rows
    ]
    return json.dumps({"instances": instances})


def ask_all(door: Door, schema: FeatureSchema, rows: Sequence[Row]) -> Asked:
    """Ask in batches; a batch that fails is asked again row by row, and a process that ended is
    started again, until too much has failed.
    """
    asked = Asked()
    for start in range(0, len(rows), BATCH_ROWS):
        batch = rows[start : start + BATCH_ROWS]
        told = _try(door, schema, batch, asked)
        if told is not None and not asked.gone:
            _one_by_one(door, schema, batch, asked, told)
        if asked.gone:
            break
    return asked


def _one_by_one(
    door: Door, schema: FeatureSchema, batch: Sequence[Row], asked: Asked, told: str
) -> None:
    before = len(asked.failures)
    try:
        for row in batch:
            _ask_one(door, schema, row, asked)
            if len(asked.failures) >= MOST_FAILED or asked.ended >= MOST_ENDED:
                asked.gone = f"{len(asked.failures)} rows failed; those after {row.name} were left"
                return
    except BrokenDoorError as error:
        asked.gone = f"the process does not come back: {error}"
    if len(asked.failures) == before and not asked.gone:
        asked.together.append(f"{batch[0].name} to {batch[-1].name}: {told}")


def _ask_one(door: Door, schema: FeatureSchema, row: Row, asked: Asked) -> None:
    try:
        reply = door.ask("POST", "/predict", body_of([row], schema))
    except BrokenDoorError as error:
        asked.failures[row.number] = Failure(row, f"{error}; {_last_line(door)}", True)
        door.mend()
        return
    if reply.status == 200:
        _take(reply, [row], schema, asked)
    else:
        asked.failures[row.number] = Failure(row, reply.told, False)


def _try(door: Door, schema: FeatureSchema, batch: Sequence[Row], asked: Asked) -> str | None:
    """None after an answer, else what went wrong; the process runs in either case, or is gone."""
    try:
        reply = door.ask("POST", "/predict", body_of(batch, schema))
    except BrokenDoorError as error:
        try:
            door.mend()
        except BrokenDoorError as again:
            asked.gone = f"the process does not come back: {again}"
        return f"{error}; {_last_line(door)}"
    if reply.status != 200:
        return reply.told
    _take(reply, batch, schema, asked)
    return None


def _last_line(door: Door) -> str:
    return (door.last_words().splitlines() or ["it said nothing"])[-1]


def _take(reply: Reply, rows: Sequence[Row], schema: FeatureSchema, asked: Asked) -> None:
    said = reply.json
    asked.versions.add(str(said["model_version"]))
    found = zip(rows, said["prediction"], _scores(said, schema), strict=True)
    for row, prediction, scores in found:
        asked.answers[row.number] = Answer(prediction, scores)


def _scores(said: dict[str, Any], schema: FeatureSchema) -> Iterator[tuple[float, ...]]:
    if schema.target.task == "regression":
        return ((float(value),) for value in said["prediction"])
    if schema.target.task == "binary":
        return ((1 - chance, chance) for chance in said["probability"])
    return (tuple(chances) for chances in said["probability"])
