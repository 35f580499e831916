"""One begins and the others are told why not; whoever lost the lease writes nothing any more."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from contracts.database import make_engine, write_transaction
from contracts.migrate import migrate
from contracts.monitoring_params import Policy
from contracts.params import load_params
from contracts.tables import AWAITING, decisions, retrains
from monitoring import leases
from monitoring.attempts import (
    LEASE,
    LeaseLostError,
    RefusedError,
    Ticket,
    begin,
    note,
    recover,
    supersede,
)
from monitoring.decisions import as_text, newest
from monitoring.governor import Trigger
from monitoring.history import read_history
from tests.migrated import migrated_engine
from tests.postgresql import temporary_postgresql

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + leases.LENGTH
ASKERS = 5


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = migrated_engine(f"sqlite:///{tmp_path}/perennial.db")
    yield engine
    engine.dispose()


@pytest.fixture
def policy() -> Policy:
    return load_params(Path("params.yaml")).monitoring.policy


def _begin(engine: Engine, policy: Policy, name: str, now: datetime) -> Ticket:
    asked = Trigger("person", name, now, "a new season", "somebody at home")
    return begin(engine, asked, policy, "v1", now=now, wall=now)


def test_every_answer_can_be_read(engine: Engine, policy: Policy) -> None:
    ticket = _begin(engine, policy, "first", NOW)
    with pytest.raises(RefusedError, match="already running at"):
        _begin(engine, policy, "second", NOW)
    with engine.connect() as connection:
        no, yes = map(as_text, newest(connection, 10))

    assert yes.startswith("2026-01-01 00:00:00  yes  retrain by person, somebody at home")
    assert ticket.retrain_id in yes
    assert "seen: a new season" in no
    assert "why:  retrain is already running at" in no


def test_dead_holder_is_buried_with_a_reason(engine: Engine, policy: Policy) -> None:
    dead = _begin(engine, policy, "first", NOW)

    assert recover(engine, LATER - timedelta(seconds=1), LATER - timedelta(seconds=1)) == []
    assert recover(engine, LATER, LATER) == [dead.retrain_id]
    assert recover(engine, LATER, LATER) == []
    with engine.connect() as connection:
        row = connection.execute(select(retrains)).one()
        told = newest(connection, 1)[0]
    assert (row.state, row.finished_at) == ("failed", LATER)
    assert json.loads(row.verdict)["interrupted"] is True
    assert (told.trigger, told.answer, told.retrain_id) == ("restart", "no", dead.retrain_id)


def test_holder_that_wakes_after_its_burial_writes_nothing(engine: Engine, policy: Policy) -> None:
    frozen = _begin(engine, policy, "first", NOW)
    recover(engine, LATER, LATER)

    with pytest.raises(LeaseLostError):
        note(engine, frozen, state="promoted")
    with write_transaction(engine) as connection:
        assert not leases.renew(connection, LEASE, frozen.token, LATER + leases.LENGTH)


def test_lease_is_renewed_and_its_loss_is_told(engine: Engine, policy: Policy) -> None:
    ticket = begin(
        engine, Trigger("person", "p", NOW, "", ""), policy, "v1", now=NOW, wall=leases.utc_now()
    )
    with leases.kept(engine, LEASE, ticket.token, timedelta(hours=1), 0.01) as lost:
        assert not lost.wait(0.2)
        much_later = leases.utc_now() + timedelta(days=1)
        recover(engine, much_later, much_later)
        assert lost.wait(5)


def test_body_that_hangs_loses_its_lease(engine: Engine, policy: Policy) -> None:
    ticket = _begin(engine, policy, "first", NOW)
    with leases.kept(engine, LEASE, ticket.token, timedelta(seconds=0.1), 0.01) as lost:
        assert lost.wait(5)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def shared(request: pytest.FixtureRequest, engine: Engine) -> Iterator[Engine]:
    if request.param == "sqlite":
        yield engine
        return
    with temporary_postgresql() as url:
        server = make_engine(url)
        migrate(server)
        yield server
        server.dispose()


def test_of_several_that_ask_at_once_one_begins(shared: Engine, policy: Policy) -> None:
    free = policy.model_copy(update={"most_per_day": None, "most_per_30_days": None})
    for number in range(10):
        at, together = NOW + number * timedelta(hours=1), threading.Barrier(ASKERS)

        def ask(name: int, at: datetime = at, together: threading.Barrier = together) -> bool:
            together.wait()
            try:
                _begin(shared, free, f"{at} {name}", at)
            except RefusedError:
                return False
            return True

        with ThreadPoolExecutor(ASKERS) as askers:
            assert sum(askers.map(ask, range(ASKERS))) == 1
    with shared.connect() as connection:
        answers = connection.execute(select(decisions.c.answer, decisions.c.trigger)).all()
    assert answers.count(("yes", "person")) == 10
    assert answers.count(("no", "person")) == 10 * (ASKERS - 1)
    assert answers.count(("no", "restart")) == 9


def test_challenger_that_waits_makes_room_and_costs_no_cool_down(
    engine: Engine, policy: Policy
) -> None:
    ticket = _begin(engine, policy, "first", NOW)
    note(engine, ticket, state=AWAITING, finished_at=NOW)
    with engine.connect() as connection:
        assert read_history(connection, NOW).fruitless == 0
    with write_transaction(engine) as connection:
        supersede(connection)

    with engine.connect() as connection:
        assert connection.execute(select(retrains.c.state)).scalar_one() == "superseded"
        assert read_history(connection, NOW).fruitless == 0
