"""Pages: rendered here, with nothing that a browser would run or fetch from elsewhere."""

import asyncio
from collections.abc import Callable
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, Request, Response

from service.access.caller import NOBODY, Caller
from service.access.sessions import cookie_token, csrf_of
from service.answer.decoder import InvalidRequestError, Problem

# Scripts and styles are files of ours (service/assets); nothing inline counts.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

MOST_FIELDS = 2000
Render = Callable[..., Response]


def get_page(request: Request) -> Render:
    """What renders a template of service/pages for whoever asks."""

    def render(template: str, status: int = 200, **values: object) -> Response:
        from service.templates import find_template  # Jinja, which no prediction needs

        caller: Caller = request.scope.get("caller", NOBODY)
        session = cookie_token(dict(request.scope["headers"]))
        html = find_template(template).render(
            caller=caller,
            here=request.scope["path"],
            csrf=csrf_of(session) if session else "",
            **values,
        )
        headers = {"Content-Security-Policy": _POLICY}
        return Response(html, status, headers, media_type="text/html")

    return render


PageDep = Annotated[Render, Depends(get_page)]


async def read_form(request: Request) -> dict[str, str]:
    """The fields that a form sends, urlencoded; the first of several counts.

    Raises:
        InvalidRequestError: there are too many.
    """
    text = (await request.body()).decode("utf-8", "replace")
    try:
        given = await asyncio.to_thread(  # a file takes a while, and others ask meanwhile
            parse_qs, text, keep_blank_values=True, max_num_fields=MOST_FIELDS
        )
    except ValueError:
        problem = Problem(None, None, "too many fields", f"at most {MOST_FIELDS}")
        raise InvalidRequestError([problem]) from None
    return {name: values[0] for name, values in given.items()}


def wants_page(request: Request) -> bool:
    """Whether a browser asks, and so a page is the answer; programs get JSON at the same path."""
    return "text/html" in request.headers.get("accept", "")
