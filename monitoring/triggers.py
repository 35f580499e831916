"""Who asks for a retrain or an update: what a check found, a schedule, or a person."""

import getpass
import platform
from datetime import datetime

from uuid_utils import uuid7

from monitoring.check import Check
from monitoring.governor import PERSON, UPDATE, Trigger
from monitoring.leases import this_process


def of_check(check: Check) -> Trigger:
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
    actor = f"{getpass.getuser()} at {platform.node()}"
    return Trigger(PERSON, str(uuid7()), now, reason, actor, over_budget=over_budget)


def of_update_schedule(now: datetime) -> Trigger:
    """params.monitoring.update.schedule says that it is time."""
    return Trigger(UPDATE, str(uuid7()), now, "its schedule", this_process())


def of_erasure(reason: str, now: datetime) -> Trigger:
    """A model that knows somebody who was erased; as urgent as a person's wish."""
    return Trigger(PERSON, str(uuid7()), now, reason, "erasure")
