"""What MLflow's scoring server and a SageMaker container answer: /invocations, /ping and more.

Both share the path; the body's form and media type say what is meant: docs/clients.md.
"""

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from service.parts import PartsDep
from service.protocols.answers import to_body
from service.protocols.asking import ask, read_off_loop
from service.protocols.media import choose_answer, read_content_type
from service.protocols.tables import read_body
from service.routes.health import get_ready

router = APIRouter()
router.add_api_route("/ping", get_ready, name="get_ping", summary="whether it can answer")
router.add_api_route("/health", get_ready, name="get_health", summary="MLflow: as /ping")


@router.post("/invocations", summary="SageMaker, MLflow: predict one or many rows")
async def post_invocations(request: Request, parts: PartsDep) -> Response:
    kind = read_content_type(request.headers.get("content-type"))
    wanted = choose_answer(request.headers.get("accept"))
    body, schema = await request.body(), parts.watcher.require().schema
    max_rows = parts.settings.max_rows
    asked = await read_off_loop(len(body), lambda: read_body(body, kind, schema, max_rows))
    answer = await ask(request, parts, asked)
    return Response(to_body(answer, wanted), media_type=wanted)


@router.get(
    "/version", summary="MLflow: the version that answers", response_class=PlainTextResponse
)
async def get_version(parts: PartsDep) -> str:
    return parts.watcher.require().version
