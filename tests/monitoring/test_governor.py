"""The governor says no for one readable reason, and lets a person past what only foresees."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.monitoring_params import Policy
from contracts.params import load_params
from monitoring.governor import DAY, Attempt, History, Trigger, answer

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ALARM = Trigger("performance", "c1", NOW, "log-loss is 0.1 above", "a scheduler", 9000, 28, 1)
PERSON = Trigger("person", "p1", NOW, "a new season", "somebody")
NOTHING = History((), spent=False, running=None)


def _attempt(days_ago: float, *, promoted: bool = False, interrupted: bool = False) -> Attempt:
    began = NOW - timedelta(days=days_ago)
    state = "promoted" if promoted else "failed"
    return Attempt(f"r{days_ago}", began, began + timedelta(hours=1), state, interrupted)


def _history(*attempts: Attempt) -> History:
    return replace(NOTHING, attempts=attempts)


@pytest.fixture(scope="module")
def policy() -> Policy:
    shipped = load_params(Path("params.yaml")).monitoring.policy
    budget = {"most_per_day": 2, "most_per_30_days": 4, "cooldown_days": 7, "min_outcomes": 500}
    return shipped.model_copy(update=budget)


@pytest.mark.parametrize(
    ("trigger", "history", "reason"),
    [
        (ALARM, NOTHING, None),
        (ALARM, replace(NOTHING, running="retrain is already running at x"), "running at x"),
        (ALARM, replace(NOTHING, spent=True), "has begun a retrain already"),
        (replace(ALARM, outcomes=499), NOTHING, "only 499 new outcomes"),
        (replace(ALARM, outcome_days=27), NOTHING, "fall on only 27 days"),
        (ALARM, _history(_attempt(6.9, promoted=True)), "cool-down of 7 days"),
        (ALARM, _history(_attempt(7, promoted=True)), None),
        (ALARM, _history(_attempt(13)), "cool-down of 14 days; the last 1 did not help"),
        (ALARM, _history(_attempt(27), _attempt(60)), "cool-down of 28 days; the last 2"),
        (ALARM, _history(_attempt(0.5, interrupted=True)), None),
        (ALARM, _history(_attempt(0.5, interrupted=True), _attempt(6)), "cool-down of 14 days"),
        (
            ALARM,
            _history(*[_attempt(days, interrupted=True) for days in (0.1, 0.9)]),
            "2 attempts in 24 hours .policy.most_per_day: 2",
        ),
        (
            ALARM,
            _history(*[_attempt(days, interrupted=True) for days in (2, 9, 20, 29.9)]),
            "4 attempts in 30 days .policy.most_per_30_days: 4",
        ),
        (replace(ALARM, seen_at=NOW - DAY), _history(_attempt(0.5)), "has ended since this was"),
        (PERSON, _history(_attempt(0.5)), None),
        (PERSON, _history(_attempt(0.5), _attempt(0.6)), "budget is spent"),
        (replace(PERSON, over_budget=True), _history(_attempt(0.5), _attempt(0.6)), None),
        (replace(PERSON, over_budget=True), replace(NOTHING, running="running at x"), "at x"),
    ],
)
def test_answer(policy: Policy, trigger: Trigger, history: History, reason: str | None) -> None:
    word = answer(trigger, history, policy, NOW)

    assert word.yes == (reason is None)
    assert re.search(reason or "nothing stands against it", word.reason), word.reason


@pytest.mark.parametrize(("kind", "standing", "yes"), [
    ("performance", 2, False), ("performance", 3, True), ("schedule", 1, True),
])  # fmt: skip
def test_alarm_must_stand_and_a_schedule_need_not(
    policy: Policy, kind: str, standing: int, yes: bool
) -> None:
    slow = policy.model_copy(update={"debounce_checks": 3})

    assert answer(replace(ALARM, kind=kind, standing=standing), NOTHING, slow, NOW).yes is yes


def test_clock_that_was_set_back_gives_no_new_budget(policy: Policy) -> None:
    ahead = _history(_attempt(-0.2, interrupted=True), _attempt(-0.1, interrupted=True))

    assert "budget" in answer(ALARM, ahead, policy, NOW).reason


attempts = st.builds(
    Attempt, st.uuids().map(str), st.floats(0, 60).map(lambda days: NOW - timedelta(days=days)),
    st.just(NOW), st.sampled_from(["promoted", "rejected", "failed"]), st.booleans(),
)  # fmt: skip


@given(st.lists(attempts, max_size=6), attempts, st.sampled_from([ALARM, PERSON]))
@settings(max_examples=300, deadline=None)
def test_more_that_did_not_help_never_turns_a_no_into_a_yes(
    policy: Policy, before: list[Attempt], more: Attempt, trigger: Trigger
) -> None:
    more = replace(more, state="rejected")
    newest_first = [
        sorted(each, key=lambda one: one.started_at, reverse=True)
        for each in (before, [*before, more])
    ]
    first, then = (
        answer(trigger, _history(*each), policy, NOW + timedelta(seconds=1)).yes
        for each in newest_first
    )

    assert first or not then
