"""What the pages read; nothing here writes."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Table, exists, func, select

from contracts.registry import champion, versions
from contracts.tables import (
    checks,
    decisions,
    model_versions,
    outcomes,
    predictions,
    retrains,
    stage_changes,
)
from service.ledger.outcomes import can_exist

SHOWN_ROWS = 200
NOT_JUDGED = "not judged"  # the state of a check that says nothing of the inputs
SHOWN_PAST = 40  # checks in the pictures of one
_RANDOM_FROM = 29  # the last eight digits of a UUID


class UnknownPredictionError(LookupError):
    """No prediction has this id."""

    def __init__(self, prediction_id: str) -> None:
        super().__init__(f"no prediction has the id {prediction_id[:36]!r}")


class NotYetReadableError(RuntimeError):
    """A prediction may wait in the spool."""

    def __init__(self) -> None:
        super().__init__("rows still wait in the spool, this may be one of them; try again")


def find_prediction(
    connection: Connection, prediction_id: str, may_hold_unknown: Callable[[], bool]
) -> dict[str, Any]:
    """A logged row with every outcome that it got, oldest first; `outcome` is the one that counts.

    Args:
        may_hold_unknown: whether rows wait that are not in the database yet.

    Raises:
        UnknownPredictionError: nothing was answered under this id.
        NotYetReadableError: the row may be one of those that wait.
    """
    if not (prediction_id.isascii() and prediction_id.isprintable()):
        raise UnknownPredictionError(ascii(prediction_id))
    query = select(predictions).where(predictions.c.prediction_id == prediction_id)
    # Asked before the database is: what waited then may be there when it is read.
    waiting = can_exist(prediction_id) and may_hold_unknown()
    row = connection.execute(query).one_or_none()
    if row is None and waiting:
        raise NotYetReadableError
    if row is None:
        raise UnknownPredictionError(prediction_id)
    history = [_outcome(one) for one in _history(connection, prediction_id)]
    return {
        **row._asdict(),
        **parsed(row),
        "outcome": history[-1]["outcome"] if history else None,
        "outcomes": history,
    }


def knows_prediction(connection: Connection, prediction_id: str) -> bool:
    """Whether the database has its row."""
    if not can_exist(prediction_id):
        return False
    query = select(predictions.c.prediction_id).where(predictions.c.prediction_id == prediction_id)
    return connection.execute(query).first() is not None


def sample_unlabelled(
    connection: Connection, start: datetime, end: datetime, most: int
) -> list[dict[str, Any]]:
    """At most so many predictions of [start, end) in event time that have no outcome.

    Drawn uniformly by the random digits at the end of a version 7 UUID, so the same rows twice.
    """
    times, name = predictions.c.event_time, predictions.c.prediction_id
    known = exists().where(outcomes.c.prediction_id == name)
    drawn = select(name).where(times >= start, times < end, ~known)
    drawn = drawn.order_by(func.substr(name, _RANDOM_FROM)).limit(most)
    rows = connection.execute(select(predictions).where(name.in_(drawn)).order_by(name))
    return [{**row._asdict(), **parsed(row)} for row in rows]


def list_models(connection: Connection) -> dict[str, Any]:
    """Every registered version, newest first, and who was champion when."""
    current = champion(connection)
    name = current.version if current else None
    return {
        "champion": name,
        "versions": [
            {
                **row._asdict(),
                "metrics": json.loads(row.metrics),
                "made": json.loads(row.made),
                "champion": row.version == name,
            }
            for row in versions(connection)
        ],
        "stage_changes": [row._asdict() for row in _newest(connection, stage_changes, "change_id")],
    }


def list_checks(connection: Connection) -> list[dict[str, Any]]:
    """Checks, newest first, with their findings parsed."""
    return [_check(row) for row in _newest(connection, checks, "checked_at")]


def list_check_lines(connection: Connection, most: int = SHOWN_ROWS) -> list[dict[str, Any]]:
    """The same checks, or fewer, without their findings, which take ten times as long to parse."""
    return [_line(row) for row in _newest(connection, checks, "checked_at", most)]


def find_check(connection: Connection, check_id: str) -> dict[str, Any] | None:
    """One check; None = nobody knows it."""
    if not (check_id.isascii() and check_id.isprintable()):
        return None
    row = connection.execute(select(checks).where(checks.c.check_id == check_id)).one_or_none()
    return None if row is None else _check(row)


def list_decisions(connection: Connection) -> list[dict[str, Any]]:
    """What monitoring answered to whatever wanted a retrain, newest first."""
    return [row._asdict() for row in _newest(connection, decisions, "decided_at")]


def newest_checks(connection: Connection, most: int) -> list[dict[str, Any]]:
    """The newest checks, oldest first."""
    newest = select(checks).order_by(checks.c.checked_at.desc(), checks.c.check_id.desc())
    return [_check(row) for row in connection.execute(newest.limit(most))][::-1]


def list_past(connection: Connection, check: dict[str, Any]) -> list[dict[str, Any]]:
    """A check and those before it, oldest first."""
    query = select(checks).where(checks.c.checked_at <= check["checked_at"])
    newest = query.order_by(checks.c.checked_at.desc(), checks.c.check_id.desc())
    return [_check(row) for row in connection.execute(newest.limit(SHOWN_PAST))][::-1]


def find_next(connection: Connection, check: dict[str, Any]) -> str | None:
    """The id of the check that followed; None = it is the newest."""
    query = select(checks.c.check_id).where(checks.c.checked_at > check["checked_at"])
    found: str | None = connection.execute(
        query.order_by(checks.c.checked_at).limit(1)
    ).scalar_one_or_none()
    return found


def find_metrics(connection: Connection, version: str) -> dict[str, Any]:
    """What evaluation found of a version; empty if it is not registered."""
    query = select(model_versions.c.metrics).where(model_versions.c.version == version)
    found: dict[str, Any] = json.loads(connection.execute(query).scalar_one_or_none() or "{}")
    return found


def list_retrains_of(connection: Connection, check_id: str) -> list[dict[str, Any]]:
    """The retrains that a check led to, oldest first."""
    query = select(retrains).where(retrains.c.check_id == check_id)
    rows = connection.execute(query.order_by(retrains.c.started_at))
    return [{**row._asdict(), "verdict": json.loads(row.verdict)} for row in rows]


def knows_report(connection: Connection, name: str) -> bool:
    """Whether a check wrote a report of this name, whatever has become of it."""
    query = select(checks.c.check_id).where(checks.c.report == name).limit(1)
    return connection.execute(query).one_or_none() is not None


def list_retrains(connection: Connection) -> list[dict[str, Any]]:
    """Retrains, newest first, with the gate's figures parsed."""
    rows = _newest(connection, retrains, "started_at")
    return [{**row._asdict(), "verdict": json.loads(row.verdict)} for row in rows]


def parsed(row: Row[Any]) -> dict[str, Any]:
    """The columns of a prediction that hold JSON."""
    return {
        "features": json.loads(row.features),
        "prediction": json.loads(row.prediction),
        "scores": json.loads(row.scores) if row.scores else None,
    }


def _findings(text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = msgspec.json.decode(text)
    except msgspec.DecodeError:  # NaN, which only Python's own, slower parser takes
        found = json.loads(text)
    return found


class _Inputs(msgspec.Struct):
    state: str = NOT_JUDGED


class _Brief(msgspec.Struct):
    """What a list of checks shows of their findings; the rest is passed over unparsed."""

    inputs: _Inputs | None = None


_BRIEF = msgspec.json.Decoder(_Brief)


def _line(row: Row[Any]) -> dict[str, Any]:
    known = row._asdict()
    return {"state": _state(known.pop("findings")), **known}


def _state(findings: str) -> str:
    try:
        inputs = _BRIEF.decode(findings).inputs
    except msgspec.DecodeError:  # as above
        return str((json.loads(findings).get("inputs") or {}).get("state", NOT_JUDGED))
    return NOT_JUDGED if inputs is None else inputs.state


def _check(row: Row[Any]) -> dict[str, Any]:
    findings = _findings(row.findings)
    state = (findings.get("inputs") or {}).get("state", NOT_JUDGED)
    return {**row._asdict(), "state": state, "findings": findings}


def _newest(
    connection: Connection, table: Table, column: str, most: int = SHOWN_ROWS
) -> list[Row[Any]]:
    query = select(table).order_by(table.c[column].desc()).limit(most)
    return list(connection.execute(query))


def _history(connection: Connection, prediction_id: str) -> list[Row[Any]]:
    query = select(outcomes).where(outcomes.c.prediction_id == prediction_id)
    return list(connection.execute(query.order_by(outcomes.c.outcome_id)))


def _outcome(row: Row[Any]) -> dict[str, str | datetime | Any]:
    return {
        "outcome": json.loads(row.outcome),
        "observed_at": row.observed_at,
        "recorded_at": row.recorded_at,
    }
