"""From a chunk of a table to the model's answers about it; pure, run by workers of any kind."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from uuid_utils import uuid7

from contracts.bundle import Bundle, Model
from contracts.schema import Feature, FeatureSchema, Target
from pipeline.frames import DatasetError
from pipeline.scoring.columns import SHOWN, Problems, decode, read_features
from pipeline.scoring.log import ledger_rows

ROW, PREDICTION_ID, VERSION, PROBLEM = "row", "prediction_id", "model_version", "problem"
MODEL_ROWS = 16_384  # of one call of the model; more would leave the processor's caches
NOT_FINITE = "the model has no finite answer"
REMEDY = "mend the table, or let `--on-bad-rows keep` write such rows without an answer"


@dataclass(frozen=True)
class Asked:
    """What is wanted of every row: a column copied to the answers, rows for the ledger, and a
    problem's text in place of an error."""

    id: str | None = None
    log: bool = False
    keep_bad: bool = False

    def columns(self, schema: FeatureSchema, available: set[str]) -> list[str]:
        """What is read of a table that has the columns `available`."""
        moment = {schema.timestamp} & available if self.log else set()
        own = [] if self.id is None else [self.id]
        return list(dict.fromkeys([*schema.names, *own, *moment]))


@dataclass(frozen=True)
class Scored:
    """What became of a chunk.

    `answers` has a row per row of the chunk, `ledger` one per answered row (None = not asked
    for), and `bad` counts the rows without an answer.
    """

    answers: pa.Table
    ledger: pa.Table | None
    bad: int


@dataclass(frozen=True)
class Scorer:
    """A bundle's model, ready to answer tables; thread-safe."""

    schema: FeatureSchema
    version: str
    model: Model
    asked: Asked

    def score(self, table: pa.Table, place: str, first: int, now: datetime) -> Scored:
        """Answer every row.

        Args:
            table: has the columns that `asked` names.
            place, first: file and number of the table's first row, for messages.
            now: when the rows are asked.

        Raises:
            DatasetError: a value is not of its feature's kind, or is missing where it must not
                be, or the model has no finite answer; never if `asked.keep_bad`.
        """
        columns, problems = read_features(table, self._features(table), self.asked.keep_bad)
        self._refuse(problems, place, first)
        outputs = len(self.schema.target.outputs)
        answers = _ask(self.model, *self.schema.to_matrices(columns), outputs)
        for row in np.flatnonzero(~np.isfinite(answers).all(axis=1)):
            problems[int(row)].append(NOT_FINITE)
        self._refuse(problems, place, first)
        found = self._answer_table(table, answers, problems)
        if not self.asked.log:
            return Scored(found, None, len(problems))
        ledger = ledger_rows(columns, found, answers, self.schema, now)
        return Scored(found, ledger.filter(_good(len(table), problems)), len(problems))

    def _features(self, table: pa.Table) -> list[Feature]:
        moment, known = self.schema.timestamp, {*self.schema.names}
        logged = self.asked.log and moment in table.column_names and moment not in known
        return [*self.schema.features, *([Feature(moment, "datetime", True)] if logged else [])]

    def _refuse(self, problems: Problems, place: str, first: int) -> None:
        if problems and not self.asked.keep_bad:
            rows = sorted(problems)[:SHOWN]
            shown = "; ".join(f"row {first + row}: {problems[row][0]}" for row in rows)
            raise DatasetError(f"{place}, {shown}; {REMEDY}")

    def _answer_table(
        self, table: pa.Table, answers: NDArray[np.float32], problems: Problems
    ) -> pa.Table:
        good = _good(len(table), problems)
        named = answer_columns(answers.astype(np.float64), self.schema.target)
        own: dict[str, Any] = {}
        if self.asked.id is not None:
            own[self.asked.id] = decode(table.column(self.asked.id))
        own |= {name: pc.if_else(good, values, None) for name, values in named.items()}
        own[VERSION] = pa.repeat(self.version, len(table))
        if self.asked.log:
            ids = [None if row in problems else str(uuid7()) for row in range(len(table))]
            own[PREDICTION_ID] = pa.array(ids, pa.string())
        texts = ["; ".join(problems[row]) or None for row in sorted(problems)]
        own[PROBLEM] = pc.replace_with_mask(
            pa.nulls(len(table), pa.string()), pc.invert(good), pa.array(texts, pa.string())
        )
        return pa.table(own)


def make_scorer(bundle: Bundle, asked: Asked) -> Scorer:
    """A scorer that asks the bundle's model as it is served.

    Raises:
        BundleError: the model needs scikit-learn, which is not installed.
    """
    return Scorer(bundle.schema, bundle.version, bundle.model(), asked)


def require_own_name(schema: FeatureSchema, asked: Asked) -> None:
    """Refuse an id that is called like a column of answers.

    Raises:
        DatasetError: names it.
    """
    empty = np.zeros((0, len(schema.target.outputs)))
    taken = {ROW, VERSION, PREDICTION_ID, PROBLEM, *answer_columns(empty, schema.target)}
    if asked.id in taken:
        raise DatasetError(f"--id: the answers have a column {asked.id!r} too; rename the table's")


def answer_columns(answers: NDArray[np.float64], target: Target) -> dict[str, pa.Array]:
    """What the output says of each row, from (n, outputs): docs/scoring.md names the columns."""
    if target.task == "regression":
        value = answers[:, 0]
        margins = {} if target.margin is None else {"low": -target.margin, "high": target.margin}
        bounds = {name: pa.array(value + margin) for name, margin in margins.items()}
        return {"prediction": pa.array(value), **bounds}
    if target.task == "binary":
        chosen = (answers[:, -1] >= target.threshold).astype(np.int64)
        return {"prediction": _labels(target, chosen), "probability": pa.array(answers[:, -1])}
    named = zip(target.outputs, answers.T, strict=True)
    probabilities = {f"probability_{name}": pa.array(p.copy()) for name, p in named}
    return {"prediction": _labels(target, answers.argmax(axis=1)), **probabilities}


def _labels(target: Target, chosen: NDArray[np.int64]) -> pa.Array:
    whole = all(isinstance(label, int) for label in target.classes)
    labels = pa.array(target.classes if whole else target.outputs)
    return labels.take(pa.array(chosen))


def _good(rows: int, problems: Problems) -> pa.Array:
    good = np.ones(rows, bool)
    good[list(problems)] = False
    return pa.array(good)


def _ask(model: Model, numeric: Any, text: Any, outputs: int) -> NDArray[np.float32]:
    answers = np.empty((len(numeric), outputs), np.float32)
    for start in range(0, len(numeric), MODEL_ROWS):
        rows = slice(start, start + MODEL_ROWS)
        answers[rows] = model.answers(numeric[rows], text[rows])
    return answers
