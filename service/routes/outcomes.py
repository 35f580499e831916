"""POST /outcomes: true labels arrive, one or many, as often as the sender likes."""

from fastapi import APIRouter, Request, Response

from service.access.caller import CallerDep
from service.labels.parse import parse_outcomes
from service.labels.record import record_labels
from service.ledger.outcomes import Result
from service.parts import PartsDep, json_response

router = APIRouter()


@router.post(
    "/outcomes",
    summary="Record true labels",
    description="Repeating is harmless; another value for the same prediction is a correction.",
)
async def post_outcomes(request: Request, parts: PartsDep, caller: CallerDep) -> Response:
    target = parts.watcher.require().schema.target
    outcomes = parse_outcomes(await request.body(), target, parts.settings.max_rows)
    results = await record_labels(parts, caller, outcomes)
    return json_response({"results": results}, _status(results))


def _status(results: list[Result]) -> int:
    codes = {result.code for result in results}
    return codes.pop() if len(codes) == 1 else 207
