"""How requests are divided among versions: the rule in force, and the arm it gives a request.

An arm is recomputed from a logged row alone: `arm_of(rule, key)`, where key is `entity_key` of the
row's value, or the prediction_id of the request's first row. docs/adr/0019 says why.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import Connection, insert, select

from contracts.schema import FeatureSchema
from contracts.tables import traffic_changes

Mode = Literal["champion", "canary", "ab", "shadow"]
Arm = Literal["champion", "other"]
MODES: tuple[Mode, ...] = get_args(Mode)
DEFAULT_SHARES: dict[Mode, float] = {"ab": 0.5, "shadow": 1.0}


class RefusedRuleError(ValueError):
    """The rule cannot be put in force; nothing was changed."""


@dataclass(frozen=True)
class Rule:
    """Who answers.

    Attributes:
        version: the other one; None with mode champion.
        share: of requests that the other version answers, or with mode shadow is asked too.
        entity: the feature whose value decides; None = the id of the request's first row.
    """

    mode: Mode = "champion"
    version: str | None = None
    share: float | None = None
    entity: str | None = None


@dataclass(frozen=True)
class TrafficChange:
    """A rule in force, and the change that made it so."""

    rule: Rule
    change_id: int
    changed_at: datetime
    actor: str
    reason: str


def complete(rule: Rule) -> Rule:
    """The rule with its default share, if it can be one.

    Raises:
        RefusedRuleError: something is missing, too much or out of range.
    """
    if rule.mode == "champion":
        if rule != Rule():
            raise RefusedRuleError("mode champion takes no version, share or entity")
        return rule
    share = DEFAULT_SHARES.get(rule.mode) if rule.share is None else rule.share
    if rule.version is None or share is None:
        raise RefusedRuleError(f"mode {rule.mode} needs a version and a share")
    if not (0 < share < 1 or (share == 1 and rule.mode == "shadow")):
        raise RefusedRuleError(f"share {share} is not between 0 and 1; to give all, promote it")
    return Rule(rule.mode, rule.version, share, rule.entity)


def difference(champion: FeatureSchema, other: FeatureSchema) -> str | None:
    """Why two versions cannot take each other's requests; None = they can.

    Order counts too, for a row may come as an array.
    """
    forms = [[(f.name, f.kind) for f in schema.features] for schema in (champion, other)]
    if forms[0] != forms[1]:
        odd = sorted({name for name, _ in set(forms[0]) ^ set(forms[1])})
        return f"its features differ in {', '.join(odd)}" if odd else "its features' order differs"
    targets = [(one.target.name, one.target.task, one.target.classes) for one in (champion, other)]
    return None if targets[0] == targets[1] else "its target differs"


def arm_of(rule: Rule, key: str) -> Arm:
    """Which arm a request belongs to: always the same one for the same version and key.

    The first 53 bits of SHA-256("version:key"), read as a number in [0, 1), are compared with the
    share. So a larger share keeps whoever is in the arm already.
    """
    digest = hashlib.sha256(f"{rule.version}:{key}".encode()).digest()
    drawn = (int.from_bytes(digest[:8], "big") >> 11) / 2**53
    return "other" if drawn < (rule.share or 0.0) else "champion"


def entity_key(features: str, entity: str) -> str:
    """The key of a logged row: its value as ASCII JSON; numbers as floats, so 17 is 17.0.

    Args:
        features: the row's JSON object as in `predictions`.
    """
    value = json.loads(features).get(entity)
    if isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    return json.dumps(value)


def current_traffic(connection: Connection) -> TrafficChange | None:
    """The rule in force; None before the first one."""
    newest = select(traffic_changes).order_by(traffic_changes.c.change_id.desc()).limit(1)
    row = connection.execute(newest).one_or_none()
    if row is None:
        return None
    rule = Rule(row.mode, row.version, row.share, row.entity)
    return TrafficChange(rule, row.change_id, row.changed_at, row.actor, row.reason)


def append_rule(
    connection: Connection, rule: Rule, *, actor: str, reason: str, now: datetime
) -> None:
    """Put a rule in force; only contracts.registry calls this, after it has checked the rule."""
    row = {"mode": rule.mode, "version": rule.version, "share": rule.share,
           "entity": rule.entity, "actor": actor, "reason": reason, "changed_at": now}  # fmt: skip
    connection.execute(insert(traffic_changes).values(row))
