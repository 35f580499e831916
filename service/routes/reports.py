"""/reports: what monitoring found, as pages and as the files that it wrote."""

import os
import re
import stat
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter, HTTPException, Response
from fastapi.responses import HTMLResponse

from service.check_page.view import make_view
from service.page import PageDep
from service.parts import PartsDep
from service.queries import (
    find_check,
    find_metrics,
    find_next,
    knows_report,
    list_check_lines,
    list_past,
    list_retrains,
    list_retrains_of,
)

router = APIRouter()

SHOWN_CHECKS = 50  # on the list; more would keep a browser busy before it shows the first
MEDIA_TYPES = {".html": "text/html; charset=utf-8", ".png": "image/png"}
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*")
# Reports hold text from requests, unescaped by the tool that renders them: their scripts may
# draw, but belong to no origin and reach no network.
_SANDBOX = (
    "sandbox allow-scripts; default-src 'none'; "
    "script-src 'unsafe-inline' 'unsafe-eval' blob: data:; style-src 'unsafe-inline'; "
    "img-src data: blob: 'self'; font-src data:; frame-ancestors 'none'"
)


_DELETED = (
    "this report was deleted, as monitoring.reports in params.yaml has it; /reports has its check"
)


@dataclass(frozen=True)
class ReportFile:
    name: str
    written_at: datetime
    kilobytes: int


@router.get("/reports", summary="Page of checks, retrains and reports", response_class=HTMLResponse)
def get_reports(parts: PartsDep, page: PageDep) -> Response:
    files = list_reports(parts.settings.reports_dir)
    with parts.engine.connect() as connection:
        checks, retrains = list_check_lines(connection, SHOWN_CHECKS), list_retrains(connection)
    names = {file.name for file in files}
    told = {"checks": checks, "retrains": retrains, "most": SHOWN_CHECKS}
    return page("reports.html", files=files, names=names, **told)


@router.get(
    "/reports/{name}",
    summary="One check's page by its id, or a file that monitoring wrote by its name",
    response_class=HTMLResponse,
    responses={
        200: {"content": {"image/png": {}}},
        404: {"description": "no such check or report", "content": {"application/json": {}}},
        410: {"description": "a deleted report", "content": {"application/json": {}}},
    },
)
def get_report(name: str, parts: PartsDep, page: PageDep) -> Response:
    if not Path(name).suffix:
        return _check_page(name, parts, page)
    content = read_report(parts.settings.reports_dir, name)
    if content is None:
        raise _no_report(name, parts)
    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": _SANDBOX}
    return Response(content, media_type=MEDIA_TYPES[Path(name).suffix], headers=headers)


def _check_page(check_id: str, parts: PartsDep, page: PageDep) -> Response:
    with parts.engine.connect() as connection:
        check = find_check(connection, check_id)
        if check is None:
            raise HTTPException(404, "no such check; /reports lists all")
        past, following = list_past(connection, check), find_next(connection, check)
        metrics = find_metrics(connection, check["model_version"])
        retrains = list_retrains_of(connection, check_id)
    kept = has_report(parts.settings.reports_dir, check["report"])
    view = make_view(check, past, metrics, check["report"] if kept else None)
    return page("check.html", view=view, retrains=retrains, following=following)


def _no_report(name: str, parts: PartsDep) -> HTTPException:
    """Gone, or never there."""
    if _is_report(name):
        with parts.engine.connect() as connection:
            if knows_report(connection, name):
                return HTTPException(410, _DELETED)
    return HTTPException(404, "no such report; /reports lists all")


def has_report(directory: Path, name: str | None) -> bool:
    """Whether read_report would find it."""
    if name is None or not _is_report(name):
        return False
    try:
        return stat.S_ISREG((directory / name).lstat().st_mode)
    except OSError:
        return False


def list_reports(directory: Path) -> list[ReportFile]:
    """Files that can be opened, newest first; none if the directory does not exist."""
    if not directory.is_dir():
        return []
    found = []
    for entry in os.scandir(directory):
        if _is_report(entry.name) and entry.is_file(follow_symlinks=False):
            facts = entry.stat(follow_symlinks=False)
            moment = datetime.fromtimestamp(facts.st_mtime, UTC)
            found.append(ReportFile(entry.name, moment, facts.st_size // 1024))
    return sorted(found, key=lambda file: file.written_at, reverse=True)


def read_report(directory: Path, name: str) -> bytes | None:
    """The bytes of a regular file directly in `directory`; None for anything else."""
    if not _is_report(name):
        return None
    try:
        with open(directory / name, "rb", opener=_open_no_link) as file:
            return file.read() if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else None
    except OSError:
        return None


def _open_no_link(path: str, flags: int) -> int:
    """Follow no link, and do not wait for the other end of a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _is_report(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and Path(name).suffix in MEDIA_TYPES
