"""Decides whether a check leads to a retrain. Pure: what was found and what happened before."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from contracts.monitoring_params import Policy
from monitoring.drift_state import Drift
from monitoring.governor import cooling_down, too_little, unsettled
from monitoring.performance import Performance


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
    stood: int = 0  # earlier checks in a row that saw this champion's performance worse
    due: str | None = None  # why a retrain is due by the calendar


@dataclass(frozen=True)
class Wish:
    """What asks for a retrain; the governor answers it."""

    kind: Literal["performance", "schedule", "outcomes"]
    seen: str
    hindrance: str | None = None  # what stands against it as far as one check knows


@dataclass(frozen=True)
class Decision:
    action: Literal["retrain", "keep"]
    reason: str
    alarm: bool  # something drifted or got worse, whatever was done about it
    wish: Wish | None = None


def decide(evidence: Evidence, policy: Policy) -> Decision:
    """Retrain on worse performance or when it is due, unless it cannot help; never on bad data.

    That inputs changed is told, and is no reason: it does no harm by itself.
    """
    inputs = evidence.inputs
    if inputs is not None and inputs.state == "alarm":
        told = "; ".join(inputs.reasons)
        return Decision("keep", f"the data has faults, nothing is learned: {told}", alarm=True)
    worse = _worse(evidence.performance, policy)
    wish = Wish("performance", worse) if worse else _due(evidence, policy)
    if wish is None:
        return Decision("keep", _quiet(evidence, policy), alarm=False)
    hindrance = _hindrance(wish, evidence, policy)
    if hindrance is None:
        return Decision("retrain", wish.seen, alarm=worse is not None, wish=wish)
    told = wish.seen if worse else f"{_quiet(evidence, policy)}; {wish.seen}"
    wish = replace(wish, hindrance=hindrance)
    return Decision("keep", f"{told}, but {hindrance}", alarm=worse is not None, wish=wish)


def _worse(performance: Performance, policy: Policy) -> str | None:
    judged = performance.days >= policy.min_days and performance.t is not None
    if judged and performance.t is not None and performance.t > policy.performance_t:
        return (
            f"log-loss is {performance.excess:.3f} above expectation over {performance.days} days "
            f"(t = {performance.t:.1f} > {policy.performance_t:g})"
        )
    return None


def _due(evidence: Evidence, policy: Policy) -> Wish | None:
    if evidence.due is not None:
        return Wish("schedule", evidence.due)
    days, number = policy.retrain_every_days, policy.retrain_every_outcomes
    if days is not None and evidence.now >= evidence.learned_until + timedelta(days=days):
        return Wish(
            "schedule",
            f"the champion has learned nothing since {evidence.learned_until:%Y-%m-%d} "
            f"(policy.retrain_every_days: {days})",
        )
    if number is not None and evidence.outcomes >= number:
        return Wish(
            "outcomes",
            f"{evidence.outcomes} outcomes have come that the champion has not learned "
            f"(policy.retrain_every_outcomes: {number})",
        )
    return None


def _hindrance(wish: Wish, evidence: Evidence, policy: Policy) -> str | None:
    return (
        unsettled(wish.kind, evidence.stood + 1, policy)
        or too_little(evidence.outcomes, evidence.outcome_days, policy)
        or cooling_down(evidence.last_retrain, evidence.fruitless, evidence.now, policy)
    )


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
        return "; ".join(("no drift", *inputs.reasons[1:]))
    return f"{inputs.state}: {'; '.join(inputs.reasons)}"


def _performance(performance: Performance, policy: Policy) -> str:
    if performance.days < policy.min_days:
        return f"performance not judged: {performance.days} days with outcomes"
    return "performance as expected"
