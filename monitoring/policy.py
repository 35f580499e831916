"""Decides whether a check leads to a retrain. Pure: what was found and what happened before."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from contracts.params import Policy
from monitoring.performance import Performance


@dataclass(frozen=True)
class Evidence:
    """What one check knows."""

    now: datetime
    rows: int  # predictions in the drift window
    outcomes: int  # since the champion's training ended
    outcome_days: int  # different days on which they fall
    drift_share: float | None  # of judged columns; None = not judged
    performance: Performance
    last_retrain: datetime | None


@dataclass(frozen=True)
class Decision:
    action: Literal["retrain", "keep"]
    reason: str
    alarm: bool  # something drifted or got worse, whatever was done about it


def decide(evidence: Evidence, policy: Policy) -> Decision:
    """Alarm on worse performance or on drift; retrain on an alarm, unless it cannot help yet."""
    alarms = _alarms(evidence, policy)
    if not alarms:
        return Decision("keep", _quiet(evidence, policy), alarm=False)
    found = " and ".join(alarms)
    hindrance = _hindrance(evidence, policy)
    if hindrance:
        return Decision("keep", f"{found}, but {hindrance}", alarm=True)
    return Decision("retrain", found, alarm=True)


def _alarms(evidence: Evidence, policy: Policy) -> list[str]:
    found = []
    performance, share = evidence.performance, evidence.drift_share
    judged = performance.days >= policy.min_days and performance.t is not None
    if judged and performance.t is not None and performance.t > policy.performance_t:
        found.append(
            f"log-loss is {performance.excess:.3f} above expectation over {performance.days} days "
            f"(t = {performance.t:.1f} > {policy.performance_t:g})"
        )
    if share is not None and share >= policy.drift_share:
        found.append(f"{share:.0%} of the columns drifted (limit {policy.drift_share:.0%})")
    return found


def _hindrance(evidence: Evidence, policy: Policy) -> str | None:
    if evidence.outcomes < policy.min_outcomes:
        return (
            f"only {evidence.outcomes} new outcomes have come; "
            f"policy.min_outcomes asks for {policy.min_outcomes}"
        )
    if evidence.outcome_days < policy.min_outcome_days:
        return (
            f"new outcomes fall on only {evidence.outcome_days} days, too few to judge a "
            f"challenger; policy.min_outcome_days asks for {policy.min_outcome_days}"
        )
    cooldown = timedelta(days=policy.cooldown_days)
    if evidence.last_retrain is not None and evidence.now < evidence.last_retrain + cooldown:
        return f"the last retrain was on {evidence.last_retrain:%Y-%m-%d} (cool-down)"
    return None


def _quiet(evidence: Evidence, policy: Policy) -> str:
    if evidence.rows < policy.min_rows:
        return (
            f"not enough data: {evidence.rows} predictions in the window; "
            f"policy.min_rows asks for {policy.min_rows}"
        )
    if evidence.performance.days < policy.min_days:
        return f"no drift; performance not judged: {evidence.performance.days} days with outcomes"
    if evidence.drift_share is None:
        return "performance as expected; drift not judged, the report failed"
    return "no drift, performance as expected"
