"""What goes to the service and comes back, as bytes and as typed values; pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from client.errors import ClientError, RefusedError

Value = float | int | str | bool | None
Row = Mapping[str, Value] | Sequence[Value]  # by name, or all in schema order
OUTCOME_BATCH = 5000  # the service takes 10,000 unless it is told otherwise
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer to one row.

    Attributes:
        prediction: a class, or a regression's value.
        probability: of a binary target's positive class, or of each of many classes; None for a
            regression.
        interval: a regression's [low, high]; None without.
    """

    prediction: int | str | float
    probability: float | tuple[float, ...] | None
    interval: tuple[float, ...] | None
    prediction_id: str
    model_version: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became true of a prediction; `observed_at` has a time zone, None = now."""

    prediction_id: str
    outcome: int | str | float
    observed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one outcome; `status` is recorded, corrected, unchanged, accepted, unknown."""

    prediction_id: str
    status: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A prediction whose true label would help.

    Attributes:
        features: as they were logged, by name.
        uncertainty: of the answer: entropy in nats, or the width of a regression's interval.
    """

    prediction_id: str
    event_time: datetime
    features: Mapping[str, Value]
    prediction: int | str | float
    uncertainty: float


@dataclass(frozen=True, slots=True)
class Call:
    """A request that may be sent several times and counts once."""

    path: str
    body: bytes
    headers: Mapping[str, str]
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the service, good or bad."""

    status: int
    body: bytes
    retry_after: str | None = None


def predict_call(rows: Sequence[Row], event_time: datetime | None, key: str) -> Call:
    """The request that asks about rows.

    Raises:
        ValueError: a value is NaN or infinite; None says that it is missing.
    """
    request: dict[str, Any] = {"instances": [_plain(row) for row in rows]}
    if event_time is not None:
        request["event_time"] = event_time.isoformat()
    return _call("/predict", request, key)


def outcomes_call(outcomes: Iterable[Outcome], key: str) -> Call:
    """The request that sends outcomes."""
    given = []
    for one in outcomes:
        sent: dict[str, Any] = {"prediction_id": one.prediction_id, "outcome": one.outcome}
        if one.observed_at is not None:
            sent["observed_at"] = one.observed_at.isoformat()
        given.append(sent)
    return _call("/outcomes", {"outcomes": given}, key)


def wanted_call(limit: int, older_than_hours: float, newer_than_days: float) -> Call:
    """The request for predictions whose labels would help."""
    asked = {"limit": limit, "older_than_hours": older_than_hours,
             "newer_than_days": newer_than_days}  # fmt: skip
    return Call(f"/outcomes/wanted?{urlencode(asked)}", b"", {}, "GET")


def _plain(row: Row) -> Any:
    return dict(row) if isinstance(row, Mapping) else list(row)


def _call(path: str, request: object, key: str) -> Call:
    body = json.dumps(request, allow_nan=False).encode()
    return Call(path, body, {"Content-Type": "application/json", "Idempotency-Key": key})


def read_predictions(reply: Reply) -> list[Prediction]:
    """The answers, one a row, in order.

    Raises:
        RefusedError: it is no answer.
    """
    answer = _read(reply, (200,))
    predictions = answer["prediction"]
    nothing = [None] * len(predictions)
    version = answer["model_version"]
    return [
        Prediction(prediction, _frozen(probability), _frozen(interval), prediction_id, version)
        for prediction, probability, interval, prediction_id in zip(
            predictions,
            answer.get("probability", nothing),
            answer.get("interval", nothing),
            answer["prediction_id"],
            strict=True,
        )
    ]


def read_recorded(reply: Reply) -> list[Recorded]:
    """What became of outcomes, in order; of some or all, the service may know no prediction.

    Raises:
        RefusedError: none was looked at.
    """
    answer = _read(reply, (200, 202, 207, 404))
    if "results" not in answer:
        raise RefusedError(reply.status, problem_of(reply))
    return [
        Recorded(one["prediction_id"], one["status"], one.get("problem"))
        for one in answer["results"]
    ]


def read_wanted(reply: Reply) -> list[Wanted]:
    """What is wanted, most of all first.

    Raises:
        RefusedError: it is no answer.
    """
    return [
        Wanted(
            one["prediction_id"],
            datetime.fromisoformat(one["event_time"]),
            one["features"],
            one["prediction"],
            one["uncertainty"],
        )
        for one in _read(reply, (200,))["wanted"]
    ]


def problem_of(reply: Reply) -> str:
    """What the service says is wrong."""
    try:
        detail = json.loads(reply.body)["detail"]
    except (ValueError, KeyError, TypeError):
        return reply.body[:200].decode(errors="replace")
    if not isinstance(detail, list):
        return str(detail)
    shown = "; ".join(_sentence(problem) for problem in detail[:_SHOWN])
    more = len(detail) - _SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown


def _read(reply: Reply, good: tuple[int, ...]) -> dict[str, Any]:
    if reply.status not in good:
        raise RefusedError(reply.status, problem_of(reply))
    try:
        answer = json.loads(reply.body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise ClientError(f"this is not a Perennial service: it answered {reply.body[:80]!r}")
    return answer


def _sentence(problem: Mapping[str, Any]) -> str:
    row = "" if problem.get("row") is None else f"row {problem['row']}, "
    field = problem.get("field") or "request"
    return f"{row}{field}: {problem.get('problem')} (allowed: {problem.get('allowed')})"


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
