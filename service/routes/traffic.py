"""POST /models/traffic: administrators divide requests among versions; how the rule is told."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import Connection

from contracts.traffic import Mode, Rule, TrafficChange
from service.access.caller import CallerDep
from service.parts import Parts, PartsDep, json_response
from service.versions.arms import results_by_arm
from service.versions.change import divide_traffic

router = APIRouter()
_NO_NUL = r"^[^\x00]*$"
_Text = Annotated[str, StringConstraints(max_length=1000, pattern=_NO_NUL)]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_NO_NUL)]
_Part = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
_Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class _Ruling(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    reason: _Text = "asked for over HTTP"


class ChampionOnly(_Ruling):
    """The champion answers everything: the end of any other rule."""

    mode: Literal["champion"]


class Canary(_Ruling):
    """A share of requests is answered by another version."""

    mode: Literal["canary"]
    version: _Name
    share: _Part
    entity: _Name | None = None


class Comparison(_Ruling):
    """As a canary, for an A/B test."""

    mode: Literal["ab"]
    version: _Name
    share: _Part = 0.5
    entity: _Name | None = None


class Shadowing(_Ruling):
    """Another version is asked too; its answers are only logged."""

    mode: Literal["shadow"]
    version: _Name
    share: _Share = 1.0
    entity: _Name | None = None


TrafficBody = Annotated[ChampionOnly | Canary | Comparison | Shadowing, Field(discriminator="mode")]


class RuleInForce(BaseModel):
    """How requests are divided now, since when, and who wanted it."""

    mode: Mode
    version: str | None
    share: float | None
    entity: str | None
    changed_at: datetime
    actor: str
    reason: str


class TrafficAnswer(BaseModel):
    """The rule in force, and why this worker cannot follow it; null = it does."""

    traffic: RuleInForce
    problem: str | None


@router.post(
    "/models/traffic",
    summary="Divide requests among the champion and another version",
    responses={
        200: {"model": TrafficAnswer},
        404: {"description": "no such version"},
        409: {"description": "the champion's requests cannot be divided so"},
    },
)
async def post_traffic(parts: PartsDep, caller: CallerDep, body: TrafficBody) -> Response:
    """In force when the answer comes; every other worker follows at its next look."""
    rule = Rule(**body.model_dump(exclude={"reason"}))
    traffic = await divide_traffic(parts, rule, actor=caller.actor, reason=body.reason)
    return json_response({"traffic": describe_rule(traffic), "problem": parts.watcher.problem})


def describe_rule(traffic: TrafficChange | None) -> dict[str, Any] | None:
    """A RuleInForce; None = there was never one."""
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


def describe_arms(
    connection: Connection, parts: Parts, traffic: TrafficChange | None
) -> list[dict[str, Any]]:
    """What the rule's versions have done; empty without a rule, or a champion that loads."""
    serving = parts.watcher.serving
    if traffic is None or serving is None:
        return []
    return results_by_arm(connection, traffic, serving.version, serving.schema.target)
