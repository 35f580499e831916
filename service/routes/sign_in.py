"""GET and POST /sign-in, POST /sign-out: a person's key, given once, becomes a session."""

import re
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from service.access.caller import CallerDep
from service.access.hosts import is_loopback
from service.access.sessions import COOKIE, LIFE, SignInError, cookie_token
from service.forms import FormError, read_form
from service.page import PageDep
from service.parts import PartsDep

router = APIRouter(include_in_schema=False)

_OURS = re.compile(r"/(?![/\\])[\x21-\x7e]*")  # a path, not //another.site


@router.get("/sign-in")
def get_sign_in(page: PageDep, place: Annotated[str, Query(alias="next")] = "/") -> Response:
    return page("sign_in.html", next=_place(place), problem=None)


@router.post("/sign-in")
async def post_sign_in(request: Request, parts: PartsDep, page: PageDep) -> Response:
    place = "/"
    try:
        given = await read_form(request)
        place = _place(given.get("next", "/"))
        token, _ = await parts.access.sessions.open(given.get("key", ""))
    except (FormError, SignInError) as error:
        parts.metrics.errors.labels("sign_in").inc()
        return page("sign_in.html", 403, next=place, problem=str(error))
    answer = RedirectResponse(place, 303)
    answer.set_cookie(
        COOKIE, token, max_age=int(LIFE.total_seconds()), path="/", httponly=True,
        samesite="strict", secure=not is_loopback(request.url.hostname or ""),
    )  # fmt: skip
    return answer


@router.post("/sign-out")
async def post_sign_out(request: Request, parts: PartsDep, caller: CallerDep) -> Response:
    session = cookie_token(dict(request.scope["headers"]))
    if session is not None:
        await parts.access.sessions.close(session, caller)
    answer = Response(status_code=204, headers={"HX-Redirect": "/sign-in"})
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


def _place(given: str) -> str:
    """Where to go then: a place of ours."""
    return given if _OURS.fullmatch(given) else "/"
