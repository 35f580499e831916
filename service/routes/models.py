"""GET /models, and promote and roll back for administrators."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, StringConstraints
from sqlalchemy import Connection

from contracts.audit import record
from contracts.registry import champion, promote, roll_back
from service.auth import AdminOnly
from service.parts import Parts, PartsDep, json_response
from service.queries import list_models

router = APIRouter()
ACTOR = "admin token"
_Text = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")]


class Reason(BaseModel):
    """Why; kept in the history."""

    model_config = ConfigDict(extra="forbid")

    reason: _Text = "asked for over HTTP"


@router.get("/models", summary="Registered versions, newest first")
def get_models(parts: PartsDep) -> Response:
    with parts.engine.connect() as connection:
        return json_response(list_models(connection))


@router.post(
    "/models/{version}/promote",
    summary="Make a version champion",
    responses={404: {"description": "no such version"}},
    dependencies=[AdminOnly],
)
async def post_promote(version: str, parts: PartsDep, body: Reason | None = None) -> Response:
    reason = (body or Reason()).reason

    def task(connection: Connection) -> str | None:
        before = _champion_version(connection)
        promote(connection, version, actor=ACTOR, reason=reason, now=parts.clock())
        _audit(connection, parts, "promote", version, {"previous": before, "reason": reason})
        return before

    return await _answer(parts, await parts.ledger.run(task))


@router.post(
    "/models/rollback",
    summary="Return to the previous champion",
    responses={409: {"description": "there is none"}},
    dependencies=[AdminOnly],
)
async def post_rollback(parts: PartsDep, body: Reason | None = None) -> Response:
    reason = (body or Reason()).reason

    def task(connection: Connection) -> str | None:
        before = _champion_version(connection)
        version = roll_back(connection, actor=ACTOR, reason=reason, now=parts.clock())
        _audit(connection, parts, "rollback", version, {"previous": before, "reason": reason})
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


def _audit(
    connection: Connection, parts: Parts, action: str, version: str, detail: dict[str, Any]
) -> None:
    record(connection, actor=ACTOR, action=action, subject=version, detail=detail,
           now=parts.clock())  # fmt: skip
