"""POST /outcomes: true labels arrive, one or many, as often as the sender likes."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import (
    BaseModel,
    ConfigDict,
    PlainValidator,
    ValidationError,
    model_validator,
)
from pydantic import Field as PydanticField

from contracts.schema import MAGNITUDE_LIMIT, Target
from service.access.caller import CallerDep
from service.answer.decoder import MAX_PROBLEMS, MOMENT, InvalidRequestError, Problem, parse_moment
from service.answer.values import safe_text
from service.ledger.outcomes import Outcome, Result, can_exist
from service.parts import Parts, PartsDep, json_response
from service.queries import NotYetReadableError

router = APIRouter()


def _moment(value: object) -> datetime:
    if not isinstance(value, str):
        raise ValueError("is not text")
    return parse_moment(value)


class OutcomeBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    prediction_id: str
    outcome: Any
    observed_at: Annotated[datetime, PlainValidator(_moment)] | None = None


class OutcomesBody(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    outcomes: Annotated[list[OutcomeBody], PydanticField(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _one_is_a_list_of_one(cls, body: Any) -> Any:
        single = isinstance(body, dict) and "prediction_id" in body and "outcomes" not in body
        return {"outcomes": [body]} if single else body


@router.post(
    "/outcomes",
    summary="Record true labels",
    description="Repeating is harmless; another value for the same prediction is a correction.",
)
async def post_outcomes(request: Request, parts: PartsDep, caller: CallerDep) -> Response:
    target = parts.watcher.require().schema.target
    outcomes = _parse(await request.body(), target, parts.settings.max_rows)
    await parts.limits.spend(caller, len(outcomes), "outcomes")
    waiting = parts.ledger.may_hold_unknown()  # asked first: it may be replayed meanwhile
    results = await parts.ledger.record(outcomes)
    _count(parts, results)
    if waiting and any(map(_may_become_known, results)):
        raise NotYetReadableError  # what was recorded stays; repeating it changes nothing
    return json_response({"results": results}, _status(results))


def _parse(body: bytes, target: Target, max_rows: int) -> list[Outcome]:
    classes = ", ".join(map(repr, target.classes))
    allowed = {
        "prediction_id": "an id that /predict gave",
        "outcome": f"one of {classes}" if classes else "a finite number",
        "observed_at": f"{MOMENT}; now if absent",
    }
    try:
        rows = OutcomesBody.model_validate_json(body).outcomes
    except ValidationError as error:
        raise InvalidRequestError(_problems(error, allowed)) from None
    if len(rows) > max_rows:
        problem = Problem(None, "outcomes", f"has {len(rows)} rows", f"at most {max_rows}")
        raise InvalidRequestError([problem])
    _require_answers(rows, target, allowed["outcome"])
    return [Outcome(row.prediction_id, row.outcome, row.observed_at) for row in rows]


def _problems(error: ValidationError, allowed: dict[str, str]) -> list[Problem]:
    if error.error_count() > 10 * MAX_PROBLEMS:  # listing them would take long
        return [_problem((), f"has {error.error_count()} problems", allowed)]
    details = error.errors(include_input=False, include_url=False)[:MAX_PROBLEMS]
    return [_problem(one["loc"], one["msg"], allowed) for one in details]


def _require_answers(rows: list[OutcomeBody], target: Target, allowed: str) -> None:
    is_answer, problem = _is_class, "is not a class of the target"
    if target.task == "regression":
        is_answer, problem = _is_number, "is not a finite number"
    problems = [
        Problem(index, "outcome", problem, allowed)
        for index, row in enumerate(rows)
        if not is_answer(row.outcome, target)
    ]
    if problems:
        raise InvalidRequestError(problems[:MAX_PROBLEMS])


def _is_class(value: object, target: Target) -> bool:
    """Equal in type too: true is not 1."""
    return any(type(value) is type(one) and value == one for one in target.classes)


def _is_number(value: object, target: Target) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return abs(value) <= MAGNITUDE_LIMIT


def _problem(loc: tuple[int | str, ...], message: str, allowed: dict[str, str]) -> Problem:
    row = next((part for part in loc if isinstance(part, int)), None)
    field = str(loc[-1]) if loc and isinstance(loc[-1], str) else "outcomes"
    form = '{"outcomes": [{"prediction_id", "outcome", "observed_at"}, ...]} or one such object'
    return Problem(row, safe_text(field), message, allowed.get(field, form))


def _may_become_known(result: Result) -> bool:
    return result.status == "unknown" and can_exist(result.prediction_id)


def _count(parts: Parts, results: list[Result]) -> None:
    for result in results:
        parts.metrics.outcomes.labels(result.status).inc()


def _status(results: list[Result]) -> int:
    codes = {result.code for result in results}
    return codes.pop() if len(codes) == 1 else 207
