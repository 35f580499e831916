"""What only adapters refuse, and the shape that each protocol's clients expect of an error."""

from collections.abc import Sequence

from service.answer.decoder import InvalidRequestError, Problem

_SHOWN = 5
_MLFLOW_CODES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "RESOURCE_DOES_NOT_EXIST",
    429: "REQUEST_LIMIT_EXCEEDED",
    500: "INTERNAL_ERROR",
    503: "TEMPORARILY_UNAVAILABLE",
}


class UnknownModelError(LookupError):
    """A path names another model than the one that is served."""

    def __init__(self, asked: str, served: str) -> None:
        super().__init__(f"no model {asked!r}; {served!r} is served (PERENNIAL_MODEL_NAME)")


class UnsupportedMediaTypeError(ValueError):
    """The body is of a kind that no adapter reads."""

    def __init__(self, asked: str, allowed: Sequence[str]) -> None:
        super().__init__(f"Content-Type {asked!r} is not read; send {' or '.join(allowed)}")


class NotAcceptableError(ValueError):
    """The caller accepts nothing that could be answered."""

    def __init__(self, asked: str, allowed: Sequence[str]) -> None:
        super().__init__(f"Accept {asked!r} cannot be met; accept {' or '.join(allowed)}")


def invalid(
    problem: str, allowed: str, *, row: int | None = None, field: str | None = None
) -> InvalidRequestError:
    """A refusal with one problem."""
    return InvalidRequestError([Problem(row, field, problem, allowed)])


def is_v2(path: str) -> bool:
    """Whether a path belongs to the Open Inference Protocol."""
    return path == "/v2" or path.startswith("/v2/")


def shape_error(path: str, status: int, detail: str | list[Problem]) -> dict[str, object]:
    """The JSON of an error as clients of this path's protocol read it.

    The Open Inference Protocol has `error`, MLflow `error_code` and `message`; ours is `detail`.
    """
    if is_v2(path):
        return {"error": _text(detail)}
    if path == "/invocations":
        code = _MLFLOW_CODES.get(status, "BAD_REQUEST")
        return {"error_code": code, "message": _text(detail), "detail": detail}
    return {"detail": detail}


def _text(detail: str | list[Problem]) -> str:
    if isinstance(detail, str):
        return detail
    shown = "; ".join(_sentence(problem) for problem in detail[:_SHOWN])
    more = len(detail) - _SHOWN
    return f"{shown}; and {more} more" if more > 0 else shown


def _sentence(problem: Problem) -> str:
    where = [] if problem.row is None else [f"row {problem.row}"]
    where += [] if problem.field is None else [problem.field]
    place = f"{', '.join(where)}: " if where else ""
    return f"{place}{problem.problem} (allowed: {problem.allowed})"
