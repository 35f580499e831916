"""Decides whether a check leads to a retrain. Pure: what was found and what happened before."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from contracts.params import Policy
from monitoring.drift_state import Drift
from monitoring.performance import Performance

MOST_DOUBLINGS = 3  # of the cool-down


@dataclass(frozen=True)
class Evidence:
    """What one check knows."""

    now: datetime
    rows: int  # predictions in the drift window
    outcomes: int  # since the champion's training ended
    outcome_days: int  # different days on which they fall
    inputs: Drift | None  # None = too few rows to judge
    performance: Performance
    last_retrain: datetime | None
    fruitless: int  # newest retrains in a row that were not promoted
    learned_until: datetime  # by the champion


@dataclass(frozen=True)
class Decision:
    action: Literal["retrain", "keep"]
    reason: str
    alarm: bool  # something drifted or got worse, whatever was done about it


def decide(evidence: Evidence, policy: Policy) -> Decision:
    """Retrain on worse performance or when it is due, unless it cannot help; never on bad data.

    That inputs changed is told, and is no reason: it does no harm by itself.
    """
    inputs = evidence.inputs
    if inputs is not None and inputs.state == "alarm":
        told = "; ".join(inputs.reasons)
        return Decision("keep", f"the data has faults, nothing is learned: {told}", alarm=True)
    worse = _worse(evidence.performance, policy)
    wanted = worse or _due(evidence, policy)
    if wanted is None:
        return Decision("keep", _quiet(evidence, policy), alarm=False)
    hindrance = _hindrance(evidence, policy)
    if hindrance is None:
        return Decision("retrain", wanted, alarm=worse is not None)
    if worse is None:
        return Decision("keep", f"{_quiet(evidence, policy)}; {wanted}, but {hindrance}", False)
    return Decision("keep", f"{worse}, but {hindrance}", alarm=True)


def _worse(performance: Performance, policy: Policy) -> str | None:
    judged = performance.days >= policy.min_days and performance.t is not None
    if judged and performance.t is not None and performance.t > policy.performance_t:
        return (
            f"log-loss is {performance.excess:.3f} above expectation over {performance.days} days "
            f"(t = {performance.t:.1f} > {policy.performance_t:g})"
        )
    return None


def _due(evidence: Evidence, policy: Policy) -> str | None:
    days = policy.retrain_every_days
    if days is None or evidence.now < evidence.learned_until + timedelta(days=days):
        return None
    return (
        f"the champion has learned nothing since {evidence.learned_until:%Y-%m-%d} "
        f"(policy.retrain_every_days: {days})"
    )


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
    return _cooling_down(evidence, policy)


def _cooling_down(evidence: Evidence, policy: Policy) -> str | None:
    """What did not help is tried again after twice the time, and after twice that."""
    if evidence.last_retrain is None:
        return None
    days = policy.cooldown_days * 2 ** min(evidence.fruitless, MOST_DOUBLINGS)
    if evidence.now >= evidence.last_retrain + timedelta(days=days):
        return None
    told = f"the last retrain was on {evidence.last_retrain:%Y-%m-%d} (cool-down of {days} days"
    why = f"; the last {evidence.fruitless} did not help" if evidence.fruitless else ""
    return f"{told}{why})"


def _quiet(evidence: Evidence, policy: Policy) -> str:
    return f"{_inputs(evidence, policy)}; {_performance(evidence.performance, policy)}"


def _inputs(evidence: Evidence, policy: Policy) -> str:
    inputs = evidence.inputs
    if inputs is None:
        return (
            f"not enough data: {evidence.rows} predictions in the window; "
            f"policy.min_rows asks for {policy.min_rows}"
        )
    if inputs.state == "ok":
        return "no drift"
    return f"{inputs.state}: {'; '.join(inputs.reasons)}"


def _performance(performance: Performance, policy: Policy) -> str:
    if performance.days < policy.min_days:
        return f"performance not judged: {performance.days} days with outcomes"
    return "performance as expected"
