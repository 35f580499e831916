"""/outcomes in a browser: which labels would help most, and forms that record them."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from fastapi import APIRouter, Request, Response

from service.access.caller import CallerDep
from service.answer.decoder import InvalidRequestError
from service.answer.wanted import most_wanted
from service.border.errors import MethodNotAllowedError
from service.labels.parse import parse_outcomes
from service.labels.record import record_labels
from service.labels.typed import MOST_ROWS, row_of, rows_of
from service.labels.waiting import LOOKED_AT, newest_unlabelled
from service.page import PageDep, read_form, wants_page
from service.parts import PartsDep
from service.trying.form import TableError

router = APIRouter(include_in_schema=False)
SHOWN = 12
SHOWN_PROBLEMS = 20
USUAL_HOURS = 24.0  # from a question to its outcome
MOST_HOURS = 87_600.0


@router.get("/outcomes")
def get_labels(request: Request, parts: PartsDep, page: PageDep, hours: str = "") -> Response:
    if not wants_page(request):
        raise MethodNotAllowedError("POST")  # GET /outcomes/wanted is for programs
    old, problem = _hours(hours)
    serving = parts.watcher.serving
    if serving is None:
        return page("labels.html", target=None)
    with parts.engine.connect() as connection:
        found = newest_unlabelled(connection, parts.clock() - timedelta(hours=old))
    wanted = most_wanted(found, serving.schema, SHOWN)
    return page("labels.html", 422 if problem else 200, target=serving.schema.target, hours=old,
                problem=problem, wanted=wanted, waiting=len(found), looked_at=LOOKED_AT,
                most=MOST_ROWS)  # fmt: skip


@router.post("/outcomes/enter")
async def post_outcome(
    request: Request, parts: PartsDep, page: PageDep, caller: CallerDep
) -> Response:
    typed = await read_form(request)
    target = parts.watcher.require().schema.target
    try:
        given = parse_outcomes([row_of(target, typed)], target, 1)
    except InvalidRequestError as error:
        return page("labels_told.html", 422, problems=_told(error), results=[], empty=0)
    (result,) = await record_labels(parts, caller, given)
    if result.problem:
        return page("labels_told.html", 422, problems=[result.problem], results=[], empty=0)
    answer = page("label_told.html", result=result, outcome=given[0].outcome)
    answer.headers["HX-Trigger"] = "entered"  # the prediction's page shows it
    return answer


@router.post("/outcomes/table")
async def post_labels(
    request: Request, parts: PartsDep, page: PageDep, caller: CallerDep
) -> Response:
    typed = await read_form(request)
    target = parts.watcher.require().schema.target
    most = min(MOST_ROWS, parts.settings.max_rows)
    places: list[int] = []
    try:
        pasted = await asyncio.to_thread(rows_of, target, typed.get("table", ""), most)
        places = pasted.places
        given = parse_outcomes(pasted.rows, target, most)
    except (TableError, InvalidRequestError) as error:
        return page("labels_told.html", 422, problems=_told(error, places), results=[], empty=0)
    results = await record_labels(parts, caller, given)
    told = list(zip(results, (one.outcome for one in given), places, strict=True))
    return page("labels_told.html", problems=[], results=told, empty=pasted.empty)


def _told(error: TableError | InvalidRequestError, places: Sequence[int] = ()) -> list[str]:
    """Sentences; `places` are the numbers by which people know the rows."""
    if isinstance(error, TableError):
        return [str(error)]
    return [
        f"row {places[one.row]}, {told}" if places and one.row is not None else told
        for one in error.problems[:SHOWN_PROBLEMS]
        for told in [f"{one.field}: {one.problem}; allowed: {one.allowed}"]
    ]


def _hours(text: str) -> tuple[float, str]:
    """How old a question has to be, and what is wrong with what was typed."""
    try:
        hours = float(text or USUAL_HOURS)
    except ValueError:
        hours = -1.0
    if 0 <= hours <= MOST_HOURS:
        return hours, ""
    return USUAL_HOURS, f"a number from 0 to {MOST_HOURS:g}"
