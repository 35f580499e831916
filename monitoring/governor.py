"""Answers whoever wants a retrain: yes or no, and why. Pure: what asks, what was, what runs.

Its states follow from History: a retrain runs; the budget is spent; it cools down; it is ready.
monitoring/attempts.py asks it inside the transaction that begins a retrain.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile

from contracts.monitoring_params import Policy

MOST_DOUBLINGS = 3  # of the cool-down
DAY, DAYS_30 = timedelta(days=1), timedelta(days=30)
PERSON, UPDATE = "person", "update"
ENDED = frozenset({"promoted", "rejected", "failed", "rolled back"})


@dataclass(frozen=True)
class Trigger:
    """Something that wants a retrain.

    `kind` is performance, schedule, outcomes, update (its own schedule) or person. `trigger_id` is
    spent by a yes: a check's id, or that of a person's request. `outcomes` and `outcome_days`
    count what is new to the champion; `standing` is how many checks in a row have seen this, this
    one included. A person needs none of the three.
    """

    kind: str
    trigger_id: str
    seen_at: datetime
    seen: str
    actor: str
    outcomes: int = 0
    outcome_days: int = 0
    standing: int = 1
    over_budget: bool = False

    @property
    def check_id(self) -> str | None:
        """The check that it came from; None = a person, or the schedule of updates."""
        return None if self.kind in (PERSON, UPDATE) else self.trigger_id


@dataclass(frozen=True)
class Attempt:
    """A retrain that was begun, and its state; see contracts/tables.py.

    One that was interrupted has shown nothing about the data: it costs budget, but no cool-down.
    """

    retrain_id: str
    started_at: datetime
    ended_at: datetime | None  # None = not over
    state: str
    interrupted: bool = False


@dataclass(frozen=True)
class History:
    """What happened before.

    Args:
        attempts: newest first.
        spent: whether this trigger has had its yes.
        running: who holds the lease, in words; None = nobody.
    """

    attempts: tuple[Attempt, ...]
    spent: bool
    running: str | None

    @property
    def last_retrain(self) -> datetime | None:
        """When the newest began that was not interrupted."""
        return next((each.started_at for each in self._told), None)

    @property
    def fruitless(self) -> int:
        """How many of the newest in a row ended without a promotion."""
        ended = (each.state for each in self._told if each.state in ENDED)
        return sum(1 for _ in takewhile(lambda state: state != "promoted", ended))

    @property
    def _told(self) -> tuple[Attempt, ...]:
        return tuple(each for each in self.attempts if not each.interrupted)


@dataclass(frozen=True)
class Answer:
    """The governor's word."""

    yes: bool
    reason: str


def answer(trigger: Trigger, history: History, policy: Policy, now: datetime) -> Answer:
    """Yes, unless something stands against it; the first objection is the reason.

    A person may skip what says whether a retrain will help (debounce, outcomes, cool-down), not
    what protects the machine: one at a time, and the budget, unless `over_budget` was said.
    """
    objection = next(_objections(trigger, history, policy, now), None)
    return Answer(objection is None, objection or "nothing stands against it")


def _objections(trigger: Trigger, history: History, policy: Policy, now: datetime) -> Iterator[str]:
    if history.running is not None:
        yield history.running
    if history.spent:
        yield "this trigger has begun a retrain already"
    if not trigger.over_budget:
        yield from _over_budget(history.attempts, policy, now)
    if trigger.kind == PERSON:
        return
    yield from _answered(trigger, history)
    hindrances = (
        unsettled(trigger.kind, trigger.standing, policy),
        too_little(trigger.outcomes, trigger.outcome_days, policy),
        cooling_down(history.last_retrain, history.fruitless, now, policy),
    )
    yield from (each for each in hindrances if each is not None)


def _over_budget(attempts: tuple[Attempt, ...], policy: Policy, now: datetime) -> Iterator[str]:
    """Whatever was begun counts, however it ended; also after `now`, for clocks step back."""
    budgets = (
        ("most_per_day", policy.most_per_day, DAY, "24 hours"),
        ("most_per_30_days", policy.most_per_30_days, DAYS_30, "30 days"),
    )
    for name, most, window, words in budgets:
        begun = sum(abs(now - each.started_at) < window for each in attempts)
        if most is not None and begun >= most:
            yield f"the budget is spent: {begun} attempts in {words} (policy.{name}: {most})"


def _answered(trigger: Trigger, history: History) -> Iterator[str]:
    """Two schedulers may see one alarm; the retrain that it led to has answered both."""
    for each in history.attempts:
        if each.ended_at and each.ended_at > trigger.seen_at and not each.interrupted:
            yield f"retrain {each.retrain_id} has ended since this was seen"


def unsettled(kind: str, standing: int, policy: Policy) -> str | None:
    """Debounce: why an alarm is too young; a schedule and a count never are."""
    if kind != "performance" or standing >= policy.debounce_checks:
        return None
    return (
        f"it has stood in only {standing} checks in a row; "
        f"policy.debounce_checks asks for {policy.debounce_checks}"
    )


def too_little(outcomes: int, outcome_days: int, policy: Policy) -> str | None:
    """Why no retrain could learn or be judged yet."""
    if outcomes < policy.min_outcomes:
        return (
            f"only {outcomes} new outcomes have come; "
            f"policy.min_outcomes asks for {policy.min_outcomes}"
        )
    if outcome_days < policy.min_outcome_days:
        return (
            f"new outcomes fall on only {outcome_days} days, too few to judge a "
            f"challenger; policy.min_outcome_days asks for {policy.min_outcome_days}"
        )
    return None


def cooling_down(
    last_retrain: datetime | None, fruitless: int, now: datetime, policy: Policy
) -> str | None:
    """What did not help is tried again after twice the time, and after twice that."""
    if last_retrain is None:
        return None
    days = policy.cooldown_days * 2 ** min(fruitless, MOST_DOUBLINGS)
    if now >= last_retrain + timedelta(days=days):
        return None
    why = f"; the last {fruitless} did not help" if fruitless else ""
    return f"the last attempt was on {last_retrain:%Y-%m-%d} (cool-down of {days} days{why})"
