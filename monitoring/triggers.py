"""Who asks for a retrain or an update: what a check found, a schedule, or a person."""

import platform
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine, Row
from uuid_utils import uuid7

from contracts.database import write_transaction
from contracts.person import user_name
from monitoring import decisions
from monitoring.governor import PERSON, UPDATE, Answer, Trigger
from monitoring.leases import this_process

if TYPE_CHECKING:  # its command declines what it finds by the function below
    from monitoring.check import Check

BY_HAND = (
    "a check by hand starts nothing; the next one on schedule does, or `python -m "
    "monitoring.retrain now`"
)


def of_check(check: "Check") -> Trigger:
    """What a check wishes; kind `check` = it wishes nothing."""
    wish, facts = check.decision.wish, check.evidence
    return Trigger(
        wish.kind if wish else "check",
        check.check_id,
        facts.now,
        wish.seen if wish else check.decision.reason,
        this_process(),
        facts.outcomes,
        facts.outcome_days,
        facts.stood + 1,
    )


def of_person(reason: str, now: datetime, *, over_budget: bool = False) -> Trigger:
    """Somebody at a terminal wants one."""
    return Trigger(PERSON, str(uuid7()), now, reason, this_person(), over_budget=over_budget)


def of_errand(errand: Row[Any], now: datetime) -> Trigger:
    """Somebody at a page wants one; taken up twice, it still has one yes."""
    return Trigger(PERSON, errand.errand_id, now, errand.reason, errand.actor)


def of_update_schedule(now: datetime) -> Trigger:
    """params.monitoring.update.schedule says that it is time."""
    return Trigger(UPDATE, str(uuid7()), now, "its schedule", this_process())


def of_erasure(reason: str, now: datetime) -> Trigger:
    """A model that knows somebody who was erased; as urgent as a person's wish."""
    return Trigger(PERSON, str(uuid7()), now, reason, "erasure")


def decline(engine: Engine, check: "Check", now: datetime, *, by: str | None = None) -> None:
    """Record that a check leads to no retrain, and why; also that it asks for nothing.

    Args:
        by: the person who wanted the check; None = it ran on schedule.
    """
    trigger, wish = of_check(check), check.decision.wish
    why = (wish and (wish.hindrance or BY_HAND)) or "it asks for nothing"
    action = "retrain" if wish else check.decision.action
    if by is not None:
        trigger = replace(trigger, actor=by)
    with write_transaction(engine) as connection:
        decisions.record(connection, trigger, Answer(False, why), now, action=action)


def this_person() -> str:
    """Who runs this process."""
    return f"{user_name()} at {platform.node()}"
