"""GET /checks and /decisions: what monitoring found, and what it did about it, as JSON."""

from fastapi import APIRouter, HTTPException, Response

from service.parts import PartsDep, json_response
from service.queries import find_check, list_checks, list_decisions

router = APIRouter()


@router.get("/checks", summary="The newest checks, with all that they found")
def get_checks(parts: PartsDep) -> Response:
    with parts.engine.connect() as connection:
        return json_response({"checks": list_checks(connection)})


@router.get(
    "/checks/{check_id}",
    summary="One check",
    responses={404: {"description": "no check has this id"}},
)
def get_check(check_id: str, parts: PartsDep) -> Response:
    with parts.engine.connect() as connection:
        check = find_check(connection, check_id)
    if check is None:
        raise HTTPException(404, "no such check; /checks lists them")
    return json_response(check)


@router.get(
    "/decisions",
    summary="The newest answers to what wanted a retrain, also every no",
    description="When, what asked (a check, a person, a restart), what was seen, and why.",
)
def get_decisions(parts: PartsDep) -> Response:
    with parts.engine.connect() as connection:
        return json_response({"decisions": list_decisions(connection)})
