"""Storms of triggers, people, crashes, freezes, restarts and clocks against a real database.

Nothing exceeds the budget, two never run at once, and no lease stays stuck.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, delete, func, select

from contracts.database import write_transaction
from contracts.monitoring_params import Policy
from contracts.params import load_params
from contracts.tables import decisions, leases, retrains
from monitoring.attempts import LEASE, LeaseLostError, RefusedError, Ticket, begin, note, recover
from monitoring.governor import Trigger
from monitoring.leases import LENGTH, release, renew
from tests.migrated import migrated_engine

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class Process:
    """A fake retrain: it holds a ticket, beats when time passes, and ends when it is told to."""

    ticket: Ticket
    frozen: bool = False


class Storm(RuleBasedStateMachine):
    """Several schedulers and people on one database, under one clock."""

    engine: Engine
    policy: Policy

    @initialize()
    def clear(self) -> None:
        with write_transaction(self.engine) as connection:
            for table in (decisions, leases, retrains):
                connection.execute(delete(table))
        self.now, self.asked = START, 0
        self.running: list[Process] = []
        self.begun: list[tuple[datetime, bool]] = []  # when, and whether over the budget
        self.spent: list[str] = []
        self.ended: dict[str, str] = {}

    # What asks.

    @rule(
        kind=st.sampled_from(["performance", "schedule", "outcomes"]),
        number=st.integers(0, 20),
        enough=st.booleans(),
        standing=st.integers(1, 3),
        age=st.sampled_from([0, 0, 600, 86400]),
    )
    def check_asks(self, kind: str, number: int, enough: bool, standing: int, age: int) -> None:
        outcomes = self.policy.min_outcomes if enough else 0
        seen_at = self.now - timedelta(seconds=age)
        trigger = Trigger(kind, f"check {number}", seen_at, "?", "s", outcomes, 99, standing)
        if self._ask(trigger):
            assert enough
            assert kind != "performance" or standing >= self.policy.debounce_checks

    @rule(number=st.integers(0, 9), over_budget=st.booleans())
    def person_asks(self, number: int, over_budget: bool) -> None:
        trigger = Trigger(
            "person", f"request {number}", self.now, "?", "p", over_budget=over_budget
        )
        self._ask(trigger)

    def _ask(self, trigger: Trigger) -> bool:
        self.asked += 1
        times = {"now": self.now, "wall": self.now}
        try:
            ticket = begin(self.engine, trigger, self.policy, "v1", **times)
        except RefusedError:
            return False
        awake = [each for each in self.running if not each.frozen]
        assert awake == [], "two run at once"
        assert trigger.trigger_id not in self.spent, "a trigger was spent twice"
        self.running.append(Process(ticket))
        self.begun.append((self.now, trigger.over_budget))
        self.spent.append(trigger.trigger_id)
        return True

    # What happens to processes.

    @precondition(lambda self: self.running)
    @rule(data=st.data(), state=st.sampled_from(["promoted", "rejected", "failed"]))
    def retrain_ends(self, data: st.DataObject, state: str) -> None:
        process = self._take(data)
        ticket = process.ticket
        try:
            note(self.engine, ticket, state=state, finished_at=self.now)
        except LeaseLostError:
            assert process.frozen, "a living process has lost its lease"
            return
        with write_transaction(self.engine) as connection:
            release(connection, LEASE, ticket.token)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def process_is_killed(self, data: st.DataObject) -> None:
        self._take(data)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def process_freezes_or_thaws(self, data: st.DataObject) -> None:
        process = self._take(data)
        process.frozen = not process.frozen
        if process.frozen or self._beat(process):
            self.running.append(process)

    def _take(self, data: st.DataObject) -> Process:
        return self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))

    @rule()
    def scheduler_starts(self) -> None:
        recover(self.engine, self.now, self.now)

    # Time.

    @rule(seconds=st.sampled_from([1, 20, 40, 3600, 86400, 8 * 86400, 31 * 86400]))
    def time_passes(self, seconds: int) -> None:
        self._tick(timedelta(seconds=seconds))

    @rule(seconds=st.sampled_from([1, 70, 3600, 80000]))
    def clock_is_set_back(self, seconds: int) -> None:
        self._tick(timedelta(seconds=-seconds))

    def _tick(self, step: timedelta) -> None:
        self.now += step
        for process in self.running:
            if not process.frozen:
                assert self._beat(process), "a living process has lost its lease"

    def _beat(self, process: Process) -> bool:
        with write_transaction(self.engine) as connection:
            return renew(connection, LEASE, process.ticket.token, self.now + LENGTH)

    # What must hold.

    @rule()
    def who_is_refused_is_let_in_a_minute_later(self) -> None:
        """Half a minute, and as much again where the clock was set back meanwhile."""
        if any(not each.frozen for each in self.running):
            return
        if not self._insists():
            self._tick(2 * LENGTH)
            assert self._insists(), "the lease is stuck"

    def _insists(self) -> bool:
        name = f"insists {self.asked}"
        return self._ask(Trigger("person", name, self.now, "?", "p", over_budget=True))

    @invariant()
    def budget_holds(self) -> None:
        times = sorted(at for at, over in self.begun if not over)
        for most, window in (
            (self.policy.most_per_day, DAY),
            (self.policy.most_per_30_days, 30 * DAY),
        ):
            assert most is not None
            for first, last in zip(times, times[most:], strict=False):
                assert last - first >= window, "the budget was exceeded"

    @invariant()
    def two_never_run(self) -> None:
        assert len([each for each in self.running if not each.frozen]) <= 1, "two run at once"

    @invariant()
    def what_has_ended_stays_so_and_one_at_most_has_not(self) -> None:
        with self.engine.connect() as connection:
            rows = connection.execute(select(retrains)).all()
        assert len([row for row in rows if row.finished_at is None]) <= 1
        for row in rows:
            if row.finished_at is not None:
                before = self.ended.setdefault(row.retrain_id, row.state)
                assert row.state == before, "what was buried has come back"

    @invariant()
    def every_answer_is_a_row(self) -> None:
        asked = select(func.count()).where(decisions.c.trigger != "restart")
        with self.engine.connect() as connection:
            assert connection.execute(asked).scalar_one() == self.asked


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = migrated_engine(f"sqlite:///{tmp_path_factory.mktemp('storm')}/perennial.db")
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("cases", "changes"),
    [
        (25, {"cooldown_days": 0, "most_per_day": 2, "most_per_30_days": 5}),
        pytest.param(
            1000, {"cooldown_days": 0, "most_per_day": 2, "most_per_30_days": 5},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            1000, {"cooldown_days": 3, "debounce_checks": 2, "most_per_day": 1},
            marks=[pytest.mark.slow, pytest.mark.long],
        ),
    ],
)  # fmt: skip
def test_no_storm_breaks_the_governor(engine: Engine, cases: int, changes: dict[str, int]) -> None:
    shipped = load_params(Path("params.yaml")).monitoring.policy
    policy = shipped.model_copy(update=changes)
    storm = type("OneStorm", (Storm,), {"engine": engine, "policy": policy})
    run_state_machine_as_test(
        storm,
        settings=settings(
            max_examples=cases, stateful_step_count=40, deadline=None, database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
