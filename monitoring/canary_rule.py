"""The canary of a retrain, as rows know it: its state, and the rule that gives it requests.

It runs as long as the rule is in force that was put so when it began. Whoever puts another one in
force, promotes or rolls back has ended it, and nothing here touches what they did.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from math import sqrt
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, select, update

from contracts.monitoring_params import Canary
from contracts.registry import take_turns
from contracts.tables import CANARY, retrains
from contracts.traffic import RefusedRuleError, Rule, TrafficChange, current_traffic
from contracts.traffic_rules import CheckedRule, change_traffic, check_traffic
from monitoring import decisions, leases
from monitoring.governor import Answer, Trigger

CHANGE = "canary"  # key in a retrain's verdict: the change_id of its rule
SUPERSEDED = "superseded"


Planned = CheckedRule | RefusedRuleError


@dataclass(frozen=True)
class Running:
    """A canary, and the rule in force, which need not be its own any more."""

    retrain: Row[Any]
    verdict: dict[str, Any]
    traffic: TrafficChange | None

    @property
    def version(self) -> str:
        return str(self.retrain.challenger_version)

    @property
    def daily(self) -> float | None:
        """How much what it adds differs between days, as the gate saw it; None = it did not say."""
        saved, t, days = (self.verdict.get(name) for name in ("saved", "t", "days"))
        return abs(saved / t) * sqrt(days) if saved and t and days else None

    @property
    def ended_by(self) -> str | None:
        """Who has ended it and how, in words; None = it goes on."""
        traffic = self.traffic
        if traffic is not None and traffic.change_id == self.verdict.get(CHANGE):
            return None
        if traffic is None:
            return "the canary is over: its rule for traffic is gone"
        return (
            f"the canary is over: {traffic.actor} changed who answers at "
            f"{traffic.changed_at:%Y-%m-%d %H:%M} UTC ({traffic.reason}); that stands"
        )


def plan(connection: Connection, bundles: Path, version: str, params: Canary) -> Planned:
    """The rule for a challenger, checked, or why there can be none.

    It reads two bundles, so not while others wait.

    Raises:
        BundleError: one of both is incomplete or altered.
    """
    try:
        rule = Rule("canary", version, params.share, params.entity)
        return check_traffic(connection, bundles, rule)
    except RefusedRuleError as refused:
        return refused


def begin(
    connection: Connection, planned: Planned, *, actor: str, reason: str, now: datetime
) -> dict[str, Any]:
    """Put the rule in force; gives what the retrain's verdict must hold of it.

    Raises:
        RefusedRuleError: it cannot be, or a person's rule stands, or the champion has changed.
    """
    if isinstance(planned, RefusedRuleError):
        raise planned
    traffic = current_traffic(connection)
    if traffic is not None and traffic.rule.mode != "champion":
        rule, who = traffic.rule, traffic.actor
        raise RefusedRuleError(f"traffic is divided already, {rule.mode} {rule.version} by {who}")
    change_traffic(connection, planned, actor=actor, reason=reason, now=now)
    begun = current_traffic(connection)
    return {} if begun is None else {CHANGE: begun.change_id}


def describe(params: Canary) -> str:
    """What a canary is to do, in words."""
    return (
        f"a canary answers {params.share:.4g} of the requests for {params.hours} hours at least; "
        "`python -m monitoring.canary` tells how it does"
    )


def find(connection: Connection) -> Running | None:
    """The newest retrain in state CANARY; None = there is none."""
    query = select(retrains).where(retrains.c.state == CANARY)
    row = connection.execute(query.order_by(retrains.c.finished_at.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    return Running(row, json.loads(row.verdict), current_traffic(connection))


def settle(connection: Connection, now: datetime) -> str | None:
    """Close a canary that somebody has ended, in the caller's writing transaction.

    Returns:
        Why no retrain may begin: a canary runs. None = none does.
    """
    take_turns(connection)
    running = find(connection)
    if running is None:
        return None
    if running.ended_by is not None:
        close(connection, running, SUPERSEDED, running.ended_by, now)
        return None
    return (
        f"the canary of version {running.version} is not decided yet: `python -m "
        "monitoring.canary` tells how it does, `python -m contracts.registry traffic champion` "
        "ends it"
    )


def close(
    connection: Connection,
    running: Running,
    state: str,
    reason: str,
    now: datetime,
    seen: str = "",
) -> None:
    """Write down how it ended, also among the decisions; the figures of the gate stay."""
    good, retrain_id = state == "promoted", str(running.retrain.retrain_id)
    verdict = {**running.verdict, "promote": good, "reason": reason}
    values = {"state": state, "finished_at": now, "verdict": json.dumps(verdict)}
    mine = retrains.c.retrain_id == retrain_id
    connection.execute(update(retrains).where(mine).values(values))
    seen = seen or "the newest rule for traffic"
    trigger = Trigger("canary", retrain_id, now, seen, leases.this_process())
    word = Answer(good, reason)
    decisions.record(connection, trigger, word, now, action="promote", retrain_id=retrain_id)
