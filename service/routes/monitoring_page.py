"""/monitoring: what checks found, how columns went, who asked for a retrain and what was said."""

from typing import Literal

from fastapi import APIRouter, Response

from service.downloads import MOST_ROWS, Form, download
from service.monitoring_page.read import (
    read_checks,
    read_decisions,
    read_live,
    read_retrains,
    read_table,
)
from service.monitoring_page.view import make_marks, make_rows, make_trends
from service.page import PageDep
from service.parts import PartsDep
from service.routes.reports import has_report

router = APIRouter(include_in_schema=False)
Name = Literal["checks", "decisions", "retrains"]


@router.get("/monitoring")
def get_monitoring(
    parts: PartsDep,
    page: PageDep,
    part: str = "",
    before: str | None = None,
    decided: str | None = None,
    every: bool = False,
    retrained: str | None = None,
) -> Response:
    """The page, or what of it is renewed while it is open.

    Args:
        before, decided, retrained: the check, decision and retrain that older ones come after.
        every: also decisions on recalibrations.
    """
    with parts.engine.connect() as connection:
        live = read_live(connection, parts.clock())
        if part == "live":
            return page("monitoring_live.html", live=live)
        checks = read_checks(connection, before)
        decisions = read_decisions(connection, decided, every=every)
        retrains = read_retrains(connection, retrained)
    past, newest = checks.rows[::-1], checks.rows[0] if checks.rows else None
    kept = newest is not None and has_report(parts.settings.reports_dir, newest["report"])
    return page(
        "monitoring.html",
        live=live,
        rows=make_rows(checks.rows),
        marks=make_marks(past),
        trends=make_trends(past),
        older=checks.older,
        is_older=before is not None,
        report=newest["report"] if newest and kept else None,
        decisions=decisions,
        every=every,
        retrains=retrains,
    )


@router.get("/monitoring/{name}.{form}")
def get_table(name: Name, form: Form, parts: PartsDep) -> Response:
    with parts.engine.connect() as connection:
        return download(name, form, read_table(connection, name, MOST_ROWS))
