"""GET /models, and promote and roll back for administrators."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import Connection

from contracts.registry import champion, promote, roll_back
from contracts.traffic import current_traffic
from service.access.caller import CallerDep
from service.parts import Parts, PartsDep, json_response
from service.queries import list_models
from service.routes.traffic import describe_arms, describe_rule

router = APIRouter()
_Text = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")]


class Reason(BaseModel):
    """Why; kept in the history."""

    model_config = ConfigDict(extra="forbid")

    reason: _Text = "asked for over HTTP"


@router.get("/models", summary="Registered versions, newest first, and how traffic is divided")
def get_models(parts: PartsDep) -> Response:
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

    def task(connection: Connection) -> str | None:
        before = _champion_version(connection)
        promote(connection, version, actor=caller.actor, reason=reason, now=parts.clock())
        return before

    return await _answer(parts, await parts.ledger.run(task))


@router.post(
    "/models/rollback",
    summary="Return to the previous champion",
    responses={409: {"description": "there is none"}},
)
async def post_rollback(parts: PartsDep, caller: CallerDep, body: Reason | None = None) -> Response:
    reason = (body or Reason()).reason

    def task(connection: Connection) -> str | None:
        before = _champion_version(connection)
        roll_back(connection, actor=caller.actor, reason=reason, now=parts.clock())
        return before

    return await _answer(parts, await parts.ledger.run(task))


async def _answer(parts: Parts, before: str | None) -> Response:
    """Swap now rather than at the next poll, and say who answers from here on."""
    await asyncio.to_thread(parts.watcher.look)
    serving = parts.watcher.serving
    return json_response(
        {
            "model_version": serving.version if serving else None,
            "previous_version": before,
            "problem": parts.watcher.problem,
        }
    )


def _champion_version(connection: Connection) -> str | None:
    current = champion(connection)
    return current.version if current else None
