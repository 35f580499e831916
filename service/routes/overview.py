"""GET /: is the model well? The tiles are renewed in place while the page is open."""

from fastapi import APIRouter, Response

from service.observe.readiness import assess
from service.overview.read import read_facts
from service.overview.tiles import make_overview
from service.page import PageDep
from service.parts import PartsDep

router = APIRouter(include_in_schema=False)


@router.get("/")
def get_overview(parts: PartsDep, page: PageDep, part: str = "") -> Response:
    with parts.engine.connect() as connection:
        facts = read_facts(connection, parts.clock())
    view = make_overview(facts, assess(parts))
    return page("overview_live.html" if part == "live" else "overview.html", view=view)
