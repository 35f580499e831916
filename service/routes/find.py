"""GET /predictions: look for logged rows by id, value, time or version, newest first."""

from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from service.finding.download import to_csv, to_json
from service.finding.read import (
    NOTHING,
    SCANNED,
    SHOWN,
    Page,
    Reign,
    find_page,
    find_reign,
    list_versions,
)
from service.finding.search import Search, query_of, read_search, read_typed
from service.page import PageDep
from service.parts import PartsDep
from service.queries import knows_prediction

router = APIRouter(include_in_schema=False)
_FILE = {"Content-Disposition": 'attachment; filename="predictions.{}"'}


@router.get("/predictions")
def get_predictions(request: Request, parts: PartsDep, page: PageDep) -> Response:
    params = request.query_params
    typed = read_typed(params)
    search, problems = read_search(typed, params)
    with parts.engine.connect() as connection:
        if typed["id"] and knows_prediction(connection, typed["id"]):
            return RedirectResponse(f"/predictions/{quote(typed['id'], safe='')}", 303)
        if typed["id"]:
            problems["id"] = "no prediction has this id; it has to be whole"
        found = NOTHING if problems else find_page(connection, search)
        versions = list_versions(connection)
        reign = find_reign(connection, search.version) if search.version in versions else None
    if (kind := params.get("format")) in ("csv", "json"):
        return _file(kind, found, _following(typed, found))
    links = {"following": _following(typed, found), "newest": f"/predictions?{query_of(typed)}",
             "here": f"/predictions?{query_of(typed, search.after)}",
             "reign": _elsewhere(typed, search, reign)}  # fmt: skip
    serving = parts.watcher.serving
    known = {"features": serving.schema.names if serving else [], "versions": versions}
    limits = {"shown": SHOWN, "scanned": SCANNED}
    return page("predictions.html", 422 if problems else 200, page=found, search=search,
                typed=typed, problems=problems, links=links, **known, **limits)  # fmt: skip


def _file(kind: str, found: Page, following: str) -> Response:
    headers = {name: value.format(kind) for name, value in _FILE.items()}
    if kind == "json":
        return Response(to_json(found, following), 200, headers, media_type="application/json")
    return Response(to_csv(found), 200, headers, media_type="text/csv")


def _following(typed: dict[str, str], found: Page) -> str:
    return f"/predictions?{query_of(typed, found.following)}" if found.following else ""


def _elsewhere(typed: dict[str, str], search: Search, reign: Reign | None) -> str:
    """Where a version's rows are: when it was champion."""
    if reign is None or search.has_range:
        return ""
    began, ended = (f"{at:%Y-%m-%dT%H:%M:%S}" if at else "" for at in reign)
    return f"/predictions?{query_of({**typed, 'from': began, 'to': ended})}"
