"""From what was sent or typed to outcomes that may be recorded: every rule of theirs; pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    PlainValidator,
    ValidationError,
    model_validator,
)
from pydantic import Field as PydanticField

from contracts.schema import MAGNITUDE_LIMIT, Target
from service.answer.decoder import MAX_PROBLEMS, MOMENT, InvalidRequestError, Problem, parse_moment
from service.answer.values import safe_text
from service.ledger.outcomes import Outcome


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


def parse_outcomes(
    given: bytes | Sequence[dict[str, object]], target: Target, max_rows: int
) -> list[Outcome]:
    """Check outcomes for a target.

    Args:
        given: a request's JSON, or its rows, each with the fields of OutcomeBody.

    Raises:
        InvalidRequestError: nothing may be recorded.
    """
    classes = ", ".join(map(repr, target.classes))
    allowed = {
        "prediction_id": "an id that /predict gave",
        "outcome": f"one of {classes}" if classes else "a finite number",
        "observed_at": f"{MOMENT}; now if absent",
    }
    try:
        rows = _read(given).outcomes
    except ValidationError as error:
        raise InvalidRequestError(_problems(error, allowed)) from None
    if len(rows) > max_rows:
        problem = Problem(None, "outcomes", f"has {len(rows)} rows", f"at most {max_rows}")
        raise InvalidRequestError([problem])
    _require_answers(rows, target, allowed["outcome"])
    return [Outcome(row.prediction_id, row.outcome, row.observed_at) for row in rows]


def _read(given: bytes | Sequence[dict[str, object]]) -> OutcomesBody:
    if isinstance(given, bytes):
        return OutcomesBody.model_validate_json(given)
    return OutcomesBody.model_validate({"outcomes": list(given)})


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
