"""What follows a gate's yes, as params.monitoring.promotion says."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from contracts.registry import promote
from contracts.tables import AWAITING, CANARY
from contracts.traffic import RefusedRuleError
from monitoring import canary_rule
from monitoring.attempts import supersede
from monitoring.canary_rule import Planned
from monitoring.challenge import Challenge


def plan(run: Challenge, version: str) -> Planned | None:
    """The rule of a challenger's canary; None = params ask for none."""
    promotion = run.params.monitoring.promotion
    if promotion.mode != "canary":
        return None
    with run.engine.connect() as connection:
        return canary_rule.plan(connection, run.settings.bundles_dir, version, promotion.canary)


def follow_yes(
    connection: Connection,
    run: Challenge,
    version: str,
    planned: Planned | None,
    reason: str,
    now: datetime,
) -> tuple[str, str, dict[str, Any]]:
    """Promote, begin a canary, or wait for a person, in the caller's writing transaction.

    Where a canary cannot be, a person decides: the gate's yes alone was not to be enough.

    Args:
        reason: the gate's.

    Returns:
        The retrain's state, why, and what its verdict must hold besides.
    """
    actor, promotion = f"{run.way.action} {run.retrain_id}", run.params.monitoring.promotion
    waits = f"it waits for: python -m contracts.registry promote {version}"
    if planned is not None:
        try:
            facts = canary_rule.begin(connection, planned, actor=actor, reason=reason, now=now)
        except RefusedRuleError as refused:
            waits = f"no canary can begin: {refused}; {waits}"
        else:
            return CANARY, f"{reason}; {canary_rule.describe(promotion.canary)}", facts
    elif promotion.mode == "automatic":
        promote(connection, version, actor=actor, reason=reason, now=now)
        return "promoted", reason, {}
    supersede(connection)
    return AWAITING, f"{reason}; {waits}", {}
