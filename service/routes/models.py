"""GET /models; promote, roll back and divide traffic for administrators."""

import asyncio
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection

from contracts.registry import champion, promote, roll_back
from contracts.traffic import Rule, TrafficChange, current_traffic
from contracts.traffic_rules import CheckedRule, change_traffic, check_traffic
from service.arms import results_by_arm
from service.caller import CallerDep
from service.parts import Parts, PartsDep, json_response
from service.queries import list_models

router = APIRouter()
_Text = Annotated[str, StringConstraints(max_length=1000, pattern=r"^[^\x00]*$")]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
_Part = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
_Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class Reason(BaseModel):
    """Why; kept in the history."""

    model_config = ConfigDict(extra="forbid")

    reason: _Text = "asked for over HTTP"


class ChampionOnly(Reason):
    """The champion answers everything: the end of any other rule."""

    mode: Literal["champion"]


class Canary(Reason):
    """A share of requests is answered by another version."""

    mode: Literal["canary"]
    version: _Name
    share: _Part
    entity: _Name | None = None


class Comparison(Reason):
    """As a canary, for an A/B test."""

    mode: Literal["ab"]
    version: _Name
    share: _Part = 0.5
    entity: _Name | None = None


class Shadowing(Reason):
    """Another version is asked too; its answers are only logged."""

    mode: Literal["shadow"]
    version: _Name
    share: _Share = 1.0
    entity: _Name | None = None


TrafficBody = Annotated[ChampionOnly | Canary | Comparison | Shadowing, Field(discriminator="mode")]


@router.get("/models", summary="Registered versions, newest first, and how traffic is divided")
def get_models(parts: PartsDep) -> Response:
    with parts.engine.connect() as connection:
        traffic = current_traffic(connection)
        return json_response(
            {
                **list_models(connection),
                "traffic": _describe(traffic),
                "arms": _arms(connection, parts, traffic),
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


@router.post(
    "/models/traffic",
    summary="Divide requests among the champion and another version",
    responses={
        404: {"description": "no such version"},
        409: {"description": "the champion's requests cannot be divided so"},
    },
)
async def post_traffic(parts: PartsDep, caller: CallerDep, body: TrafficBody) -> Response:
    """In force when the answer comes; every other worker follows at its next look."""
    asked = body.model_dump(exclude={"reason"})
    checked = await asyncio.to_thread(_check, parts, Rule(**asked))

    def task(connection: Connection) -> TrafficChange | None:
        change_traffic(
            connection, checked, actor=caller.actor, reason=body.reason, now=parts.clock()
        )
        return current_traffic(connection)

    traffic = await parts.ledger.run(task)
    await asyncio.to_thread(parts.watcher.look)
    return json_response({"traffic": _describe(traffic), "problem": parts.watcher.problem})


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


def _check(parts: Parts, rule: Rule) -> CheckedRule:
    with parts.engine.connect() as connection:
        return check_traffic(connection, parts.settings.bundles_dir, rule)


def _describe(traffic: TrafficChange | None) -> dict[str, Any] | None:
    """The rule in force; None = there was never one."""
    if traffic is None:
        return None
    rule = traffic.rule
    return {
        "mode": rule.mode,
        "version": rule.version,
        "share": rule.share,
        "entity": rule.entity,
        "changed_at": traffic.changed_at,
        "actor": traffic.actor,
        "reason": traffic.reason,
    }


def _arms(
    connection: Connection, parts: Parts, traffic: TrafficChange | None
) -> list[dict[str, Any]]:
    """What the versions of the rule have done; nothing without a rule or a champion that loads."""
    serving = parts.watcher.serving
    if traffic is None or serving is None:
        return []
    return results_by_arm(connection, traffic, serving.version, serving.schema.target)
