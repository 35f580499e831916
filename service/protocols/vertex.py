"""Vertex AI's custom container: POST {"instances", "parameters"} -> {"predictions"}.

The platform names its own paths (AIP_PREDICT_ROUTE, AIP_HEALTH_ROUTE); `answer_also_at` maps them
to ours before anything else, access rules too, looks at a path.
"""

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from contracts.settings import Settings
from service.parts import PartsDep, json_response
from service.protocols.answers import to_records
from service.protocols.asking import ask, read_off_loop
from service.protocols.tables import read_instances

PREDICT = "/vertex/predict"
HEALTH = "/ping"
router = APIRouter()


@router.post(PREDICT, summary="Vertex AI: predict one or many rows")
async def post_predict(request: Request, parts: PartsDep) -> Response:
    body, max_rows = await request.body(), parts.settings.max_rows
    asked = await read_off_loop(len(body), lambda: read_instances(body, max_rows))
    answer = await ask(request, parts, asked)
    return json_response({"predictions": list(to_records(answer))})


def platform_paths(settings: Settings) -> dict[str, str]:
    """The platform's paths -> ours."""
    given = {settings.predict_route: PREDICT, settings.health_route: HEALTH}
    return {path: own for path, own in given.items() if path}


def answer_also_at(app: ASGIApp, paths: Mapping[str, str]) -> ASGIApp:
    """The app, which answers the keys of `paths` as it does their values."""

    async def renamed(scope: Scope, receive: Receive, send: Send) -> None:
        own = paths.get(scope["path"]) if scope["type"] == "http" else None
        if own is not None:
            scope = {**scope, "path": own, "raw_path": own.encode()}
        await app(scope, receive, send)

    return renamed
