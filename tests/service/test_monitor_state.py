"""Gauges of the scheduler, retrains and rollbacks, from rows as monitoring leaves them."""

from datetime import timedelta

from sqlalchemy import Engine, insert

from contracts.database import write_transaction
from contracts.tables import retrains, stage_changes
from monitoring.heartbeat import ALIVE, beat
from service.observe.monitor_state import monitor_gauges
from tests.conftest import NOW


def shown(engine: Engine) -> dict[tuple[str, ...], float]:
    """Samples by metric and label."""
    with engine.connect() as connection:
        return {
            (one.name.removeprefix("perennial_"), *one.labels.values()): one.value
            for metric in monitor_gauges(connection)
            for one in metric.samples
        }


def add_retrain(engine: Engine, name: str, state: str, hours: int, took: int | None) -> None:
    began = NOW + timedelta(hours=hours)
    ended = None if took is None else began + timedelta(hours=took)
    row = {"retrain_id": name, "started_at": began, "finished_at": ended, "state": state,
           "reason": "", "champion_version": "v", "verdict": "{}"}  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(retrains).values(row))


def test_what_has_never_been_has_no_sample(engine: Engine) -> None:
    assert shown(engine) == {}


def test_a_sign_of_life_holds_for_a_time(engine: Engine) -> None:
    for seconds in (0, 10):
        beat(engine, NOW + timedelta(seconds=seconds))
    until = (NOW + timedelta(seconds=10) + ALIVE).timestamp()
    assert shown(engine) == {("scheduler_alive_until_timestamp_seconds",): until}


def test_the_newest_retrain_of_each_state_and_the_running_one_are_shown(engine: Engine) -> None:
    add_retrain(engine, "a", "failed", 0, 1)
    add_retrain(engine, "b", "failed", 2, 1)
    add_retrain(engine, "c", "promoted", 4, 2)
    add_retrain(engine, "d", "trained", 7, None)
    found = shown(engine)
    assert found.pop(("retrains", "failed")) == 2
    assert found.pop(("retrains", "promoted")) == found.pop(("retrains", "trained")) == 1
    at = {key: (value - NOW.timestamp()) / 3600 for key, value in found.items()}
    assert at == {
        ("retrain_ended_timestamp_seconds", "failed"): 3,
        ("retrain_ended_timestamp_seconds", "promoted"): 6,
        ("retrain_running_since_timestamp_seconds",): 7,
    }


def test_a_rollback_is_shown_and_a_promotion_is_none(engine: Engine) -> None:
    with write_transaction(engine) as connection:
        for hours, action in ((1, "promote"), (2, "rollback"), (3, "promote")):
            row = {"changed_at": NOW + timedelta(hours=hours), "action": action, "version": "v",
                   "actor": "test", "reason": ""}  # fmt: skip
            connection.execute(insert(stage_changes).values(row))
    at = (NOW + timedelta(hours=2)).timestamp()
    assert shown(engine) == {("rollback_timestamp_seconds",): at}
