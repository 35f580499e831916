"""GET /try/files/...: a file that is scored, how far it is, and its answers."""

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from service.downloads import Form
from service.page import PageDep
from service.parts import PartsDep
from service.trying.scored import answers, as_csv, as_json, find_scoring

router = APIRouter(include_in_schema=False)
_LINES = {"csv": as_csv, "json": as_json}
_TYPES = {"csv": "text/csv; charset=utf-8", "json": "application/json"}


@router.get("/try/files/{scoring_id}.{form}")
def get_answers(scoring_id: str, form: Form, parts: PartsDep) -> Response:
    with parts.engine.connect() as connection:
        find_scoring(connection, scoring_id, parts.clock())

    rows = answers(parts.engine, scoring_id)
    headers = {"Content-Disposition": f'attachment; filename="answers.{form}"',
               "X-Content-Type-Options": "nosniff"}  # fmt: skip
    return StreamingResponse(_LINES[form](rows), 200, headers, media_type=_TYPES[form])


@router.get("/try/files/{scoring_id}")
def get_scoring(scoring_id: str, parts: PartsDep, page: PageDep, part: str = "") -> Response:
    with parts.engine.connect() as connection:
        found = find_scoring(connection, scoring_id, parts.clock())
    return page("scoring_live.html" if part == "live" else "scoring.html", scoring=found)
