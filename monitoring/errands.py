"""Runs what somebody has asked for from a page: a check, or a retrain.

The scheduler looks every few seconds. Whoever takes an errand holds a lease as long as it runs, so
that one whose process was killed is marked failed by the next look, here or at another scheduler.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, update

from contracts.database import write_transaction
from contracts.errands import (
    DONE,
    FAILED,
    REFUSED,
    RUNNING,
    Kind,
    bury,
    find_open,
    is_run,
    lease_of,
)
from contracts.params import load_params
from contracts.registry import take_turns
from contracts.settings import Settings
from contracts.tables import errands
from monitoring import leases
from monitoring.alerts import Alerts, news_of_check, news_of_retrain
from monitoring.attempts import RefusedError
from monitoring.check import REFUSALS, run_check
from monitoring.recorded import last_facts
from monitoring.retrain import run_retrain
from monitoring.triggers import decline, of_errand

EVERY_SECONDS = 5
MOST = timedelta(days=1)  # what hangs for longer counts as dead
log = logging.getLogger("monitoring")


@dataclass(frozen=True)
class End:
    """What became of an errand: its state, in words, and the check or retrain."""

    state: str
    told: str
    result_id: str | None = None


def check_if_asked(
    engine: Engine, settings: Settings, _stop: threading.Event, alerts: Alerts
) -> None:
    """Run the check that somebody has asked for, if somebody has; it starts no retrain."""

    def run(errand: Row[Any]) -> End:
        params, now = load_params(settings.params_file).monitoring, leases.utc_now()
        with engine.connect() as connection:
            before = last_facts(connection)
        check = run_check(engine, settings.bundles_dir, settings.reports_dir, params, now)
        decline(engine, check, now, by=errand.actor)
        alerts.send(news_of_check(before, check.facts))
        return End(DONE, f"{check.decision.action}: {check.decision.reason}", check.check_id)

    _answer(engine, "check", run)


def retrain_if_asked(
    engine: Engine, settings: Settings, stop: threading.Event, alerts: Alerts
) -> None:
    """Put the retrain that somebody has asked for, if somebody has, to the governor."""

    def run(errand: Row[Any]) -> End:
        trigger, clock = of_errand(errand, leases.utc_now()), leases.utc_now
        params = load_params(settings.params_file)
        outcome = run_retrain(engine, settings, params, clock, trigger, stop=stop)
        alerts.send(news_of_retrain(outcome.state, outcome.challenger, outcome.reason))
        state = FAILED if outcome.state == "failed" else DONE
        return End(state, f"{outcome.state}: {outcome.reason}", outcome.retrain_id)

    _answer(engine, "retrain", run)


def _answer(engine: Engine, kind: Kind, run: Callable[[Row[Any]], End]) -> None:
    taken = _take(engine, kind, leases.utc_now())
    if taken is None:
        return
    errand, token = taken
    log.info("%s asked for a %s: %s", errand.actor, kind, errand.reason)
    with leases.kept(engine, lease_of(kind), token, MOST):
        try:
            end = run(errand)
        except RefusedError as refused:
            end = End(REFUSED, str(refused))
        except REFUSALS as error:
            end = End(FAILED, str(error))
        except BaseException as error:  # it goes up, but nobody shall wait for an end
            why = f"{type(error).__name__}; the log of monitoring has it"
            _note(engine, errand, token, End(FAILED, why))
            raise
        _note(engine, errand, token, end)
    log.info("the %s that was asked for is %s: %s", kind, end.state, end.told)


def _take(engine: Engine, kind: Kind, now: datetime) -> tuple[Row[Any], int] | None:
    """The errand that waits, and the right to run it; what the dead have left is buried."""
    with engine.connect() as connection:
        if find_open(connection, kind) is None or is_run(connection, kind, now):
            return None
    with write_transaction(engine) as connection:
        take_turns(connection)
        if is_run(connection, kind, now):
            return None
        if buried := bury(connection, kind, now):
            log.warning("%d errand of a dead process is marked failed", buried)
        errand = find_open(connection, kind)
        return None if errand is None else (errand, _begin(connection, errand, now))


def _begin(connection: Connection, errand: Row[Any], now: datetime) -> int:
    lease, holder = lease_of(errand.kind), leases.this_process()
    mine = errands.c.errand_id == errand.errand_id
    connection.execute(update(errands).where(mine).values(state=RUNNING, started_at=now))
    return leases.take(connection, lease, holder, now, leases.LENGTH)


def _note(engine: Engine, errand: Row[Any], token: int, end: End) -> None:
    """Write down what became of it; whoever has taken the lease over has done so already."""
    over = {"state": end.state, "told": end.told, "result_id": end.result_id,
            "finished_at": leases.utc_now()}  # fmt: skip
    with write_transaction(engine) as connection:
        if leases.holds(connection, lease_of(errand.kind), token):
            mine = errands.c.errand_id == errand.errand_id
            connection.execute(update(errands).where(mine).values(over))
