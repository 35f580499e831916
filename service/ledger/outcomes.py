"""Recording true labels: append-only, idempotent, corrections kept. Runs inside the ledger."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, insert, select

from contracts.params import ClassLabel
from contracts.tables import outcomes, predictions

LOOKUP_IDS = 1000
Status = Literal["recorded", "corrected", "unchanged", "unknown", "accepted"]
# What JSON writers take; larger ones are floats in the spool.
_LARGEST_INTEGER = 2**63


@dataclass(frozen=True)
class Outcome:
    """The true label of one prediction; `observed_at` None = now."""

    prediction_id: str
    outcome: ClassLabel | float
    observed_at: datetime | None


@dataclass(frozen=True)
class Result:
    """What became of one outcome."""

    prediction_id: str
    status: Status
    code: int
    problem: str | None = None


def record_outcomes(
    connection: Connection, given: Sequence[Outcome], now: datetime, *, keep_unknown: bool = False
) -> list[Result]:
    """Append what is new; one result for each given outcome, in order.

    The same value as the latest one of its prediction changes nothing, so a sender may repeat.

    Args:
        keep_unknown: append outcomes of unknown predictions too. Those that were accepted while
            the database was away may come before their rows, which wait in another spool.
    """
    ids = list(dict.fromkeys(one.prediction_id for one in given if can_exist(one.prediction_id)))
    known = _known_ids(connection, ids)
    latest = _latest(connection, ids)
    rows: list[dict[str, Any]] = []
    results: list[Result] = []
    for one in given:
        status, text = _judge(one, known, latest), json.dumps(one.outcome)
        is_first = status == "unknown" and latest.get(one.prediction_id) != text
        if status in ("recorded", "corrected") or (keep_unknown and is_first):
            latest[one.prediction_id] = text  # a later entry of the same request sees it
            rows.append(_row(one, text, now))
        results.append(_result(one, status))
    if rows:
        connection.execute(insert(outcomes), rows)
    return results


def accept_outcomes(given: Sequence[Outcome]) -> tuple[list[Outcome], list[Result]]:
    """What is to be kept for record_outcomes, and one result for each given outcome, in order."""
    kept = [_plain(one) for one in given if can_exist(one.prediction_id)]
    return kept, [_result(one, "accepted") for one in given]


def _plain(one: Outcome) -> Outcome:
    if isinstance(one.outcome, int) and abs(one.outcome) >= _LARGEST_INTEGER:
        return replace(one, outcome=float(one.outcome))
    return one


def _judge(one: Outcome, known: set[str], latest: dict[str, str]) -> Status:
    if one.prediction_id not in known:
        return "unknown"
    before = latest.get(one.prediction_id)
    if before is None:
        return "recorded"
    return "unchanged" if before == json.dumps(one.outcome) else "corrected"


def _result(one: Outcome, status: Status) -> Result:
    if status == "unknown" or not can_exist(one.prediction_id):
        return Result(one.prediction_id, "unknown", 404, "no prediction has this id")
    if status == "accepted":  # its prediction may wait in the spool too
        return Result(one.prediction_id, status, 202)
    return Result(one.prediction_id, status, 200)


def _row(one: Outcome, text: str, now: datetime) -> dict[str, Any]:
    return {
        "prediction_id": one.prediction_id,
        "outcome": text,
        "observed_at": one.observed_at or now,
        "recorded_at": now,
    }


def can_exist(prediction_id: str) -> bool:
    """Whether an id is worth asking for; PostgreSQL refuses NUL and half surrogates."""
    return len(prediction_id) == 36 and prediction_id.isascii() and prediction_id.isprintable()


def _known_ids(connection: Connection, ids: list[str]) -> set[str]:
    column = predictions.c.prediction_id
    return {
        found
        for chunk in _chunks(ids)
        for found in connection.execute(select(column).where(column.in_(chunk))).scalars()
    }


def _latest(connection: Connection, ids: list[str]) -> dict[str, str]:
    query = select(outcomes.c.prediction_id, outcomes.c.outcome).order_by(outcomes.c.outcome_id)
    latest: dict[str, str] = {}
    for chunk in _chunks(ids):
        for row in connection.execute(query.where(outcomes.c.prediction_id.in_(chunk))):
            latest[row.prediction_id] = row.outcome
    return latest


def _chunks(ids: list[str]) -> Iterable[list[str]]:
    return (ids[start : start + LOOKUP_IDS] for start in range(0, len(ids), LOOKUP_IDS))
