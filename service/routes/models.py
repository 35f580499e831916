"""GET /models, and promote and roll back for administrators."""

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from contracts.traffic import current_traffic
from service.access.caller import CallerDep
from service.page import PageDep, wants_page
from service.parts import Parts, PartsDep, json_response
from service.queries import list_models
from service.routes.models_page import show_models
from service.routes.traffic import describe_arms, describe_rule
from service.versions.change import promote_version, return_to_previous

router = APIRouter()
_Text = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")]


class Reason(BaseModel):
    """Why; kept in the history."""

    model_config = ConfigDict(extra="forbid")

    reason: _Text = "asked for over HTTP"


@router.get("/models", summary="Registered versions, newest first, and how traffic is divided")
def get_models(request: Request, parts: PartsDep, page: PageDep) -> Response:
    if wants_page(request):
        return show_models(request, parts, page)
    with parts.engine.connect() as connection:
        traffic = current_traffic(connection)
        return json_response(
            {
                **list_models(connection),
                "traffic": describe_rule(traffic),
                "arms": describe_arms(connection, parts, traffic),
            }
        )


@router.post(
    "/models/{version}/promote",
    summary="Make a version champion",
    responses={404: {"description": "no such version"}},
)
async def post_promote(
    version: str, parts: PartsDep, caller: CallerDep, body: Reason | None = None
) -> Response:
    reason = (body or Reason()).reason
    return _answer(parts, await promote_version(parts, version, actor=caller.actor, reason=reason))


@router.post(
    "/models/rollback",
    summary="Return to the previous champion",
    responses={409: {"description": "there is none"}},
)
async def post_rollback(parts: PartsDep, caller: CallerDep, body: Reason | None = None) -> Response:
    reason = (body or Reason()).reason
    return _answer(parts, await return_to_previous(parts, actor=caller.actor, reason=reason))


def _answer(parts: Parts, before: str | None) -> Response:
    """Who answers from here on."""
    serving = parts.watcher.serving
    return json_response(
        {
            "model_version": serving.version if serving else None,
            "previous_version": before,
            "problem": parts.watcher.problem,
        }
    )
