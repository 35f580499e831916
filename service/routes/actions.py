"""POST /actions/...: what administrators do from a page, each with a reason and confirmed.

The same functions answer programs at /models/...; what is refused is told in the dialog.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from sqlalchemy import Connection

from contracts import errands
from contracts.bundle_files import BundleError
from contracts.errands import KINDS, Kind, NotWaitingError, OpenErrandError
from contracts.registry import NothingToRollBackError, UnknownVersionError
from contracts.traffic import RefusedRuleError, Rule
from service.access.caller import CallerDep
from service.forms import FormError, read_form, read_reason
from service.page import PageDep, Render
from service.parts import PartsDep
from service.versions.change import (
    ChampionChangedError,
    divide_traffic,
    promote_version,
    return_to_previous,
)

router = APIRouter(include_in_schema=False)
REFUSALS = (
    BundleError,
    ChampionChangedError,
    FormError,
    NothingToRollBackError,
    NotWaitingError,
    OpenErrandError,
    RefusedRuleError,
    UnknownVersionError,
)
MODELS, MONITORING = "/models", "/monitoring"
Form = dict[str, str]


@router.post("/actions/promote")
async def post_promote(
    request: Request, parts: PartsDep, page: PageDep, caller: CallerDep
) -> Response:
    async def act(form: Form) -> str:
        version, reason = form.get("version", ""), read_reason(form)
        await promote_version(parts, version, actor=caller.actor, reason=reason)
        return f"{MODELS}/{quote(version, safe='')}"

    return await _act(request, page, act)


@router.post("/actions/roll-back")
async def post_roll_back(
    request: Request, parts: PartsDep, page: PageDep, caller: CallerDep
) -> Response:
    async def act(form: Form) -> str:
        reason, expected = read_reason(form), form.get("version", "")
        await return_to_previous(parts, actor=caller.actor, reason=reason, expected=expected)
        return MODELS

    return await _act(request, page, act)


@router.post("/actions/canary")
async def post_canary(
    request: Request, parts: PartsDep, page: PageDep, caller: CallerDep
) -> Response:
    async def act(form: Form) -> str:
        reason, entity = read_reason(form), form.get("entity") or None
        rule = Rule("canary", form.get("version", ""), _share(form.get("share", "")), entity)
        await divide_traffic(parts, rule, actor=caller.actor, reason=reason)
        return MODELS

    return await _act(request, page, act)


@router.post("/actions/end-canary")
async def post_end_canary(
    request: Request, parts: PartsDep, page: PageDep, caller: CallerDep
) -> Response:
    async def act(form: Form) -> str:
        await divide_traffic(parts, Rule(), actor=caller.actor, reason=read_reason(form))
        return MODELS

    return await _act(request, page, act)


@router.post("/actions/errand")
async def post_errand(
    request: Request, parts: PartsDep, page: PageDep, caller: CallerDep
) -> Response:
    """Ask monitoring for a check or a retrain; the page shows what becomes of it."""

    async def act(form: Form) -> str:
        kind, reason = _kind(form.get("kind")), read_reason(form)

        def task(connection: Connection) -> None:
            errands.ask(connection, kind, actor=caller.actor, reason=reason, now=parts.clock())

        await parts.ledger.run(task)
        return MONITORING

    return await _act(request, page, act)


@router.post("/actions/withdraw")
async def post_withdraw(
    request: Request, parts: PartsDep, page: PageDep, caller: CallerDep
) -> Response:
    async def act(form: Form) -> str:
        def task(connection: Connection) -> None:
            errand = form.get("errand", "")
            errands.withdraw(connection, errand, actor=caller.actor, now=parts.clock())

        await parts.ledger.run(task)
        return MONITORING

    return await _act(request, page, act)


async def _act(request: Request, page: Render, act: Callable[[Form], Awaitable[str]]) -> Response:
    """Do it, and lead the browser to where its result is seen."""
    try:
        place = await act(await read_form(request))
    except REFUSALS as error:
        return page("refusal.html", 422, problem=str(error))
    return Response(status_code=204, headers={"HX-Redirect": place})


def _share(text: str) -> float:
    try:
        return float(text) / 100
    except ValueError:
        raise FormError("the share is a number of percent, more than 0 and less than 100") from None


def _kind(given: str | None) -> Kind:
    for kind in KINDS:
        if kind == given:
            return kind
    raise FormError(f"monitoring can be asked for {' or '.join(KINDS)}")
