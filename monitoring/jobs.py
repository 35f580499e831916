"""What the scheduler runs; params are read each time, so that an edit needs no restart."""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine

from contracts.database import write_transaction
from contracts.params import Params, load_params
from contracts.registry import take_turns
from contracts.settings import Settings
from contracts.tables import CANARY
from monitoring import leases
from monitoring.alerts import Alerts, News, news_of_canary, news_of_check, news_of_retrain
from monitoring.attempts import RefusedError
from monitoring.bundles import remove_old_bundles
from monitoring.canary import DECIDED, run_canary
from monitoring.canary_rule import find
from monitoring.challenge import Clock
from monitoring.check import Check, NoChampionError, run_check
from monitoring.deletion import delete_old_scorings, delete_old_vitals
from monitoring.erasure import wanted_retrain
from monitoring.heartbeat import beat
from monitoring.probation import run_probation
from monitoring.recalibrate import run_recalibration
from monitoring.recorded import last_facts
from monitoring.recovery import clean_up
from monitoring.retention import run_retention
from monitoring.retrain import Outcome, retrain_after, run_retrain
from monitoring.triggers import of_erasure, of_update_schedule
from monitoring.update import run_update

SLOT, RETRAIN_SLOT, CANARY_SLOT, PROBATION_SLOT = (
    "check", "retrain schedule", "canary", "probation",
)  # fmt: skip
SLOT_LENGTH = timedelta(seconds=50)  # taken once a run, never given back
log = logging.getLogger("monitoring")


def check_in_turn(
    engine: Engine, settings: Settings, stop: threading.Event, alerts: Alerts
) -> None:
    """Of several schedulers that fire together the first one checks; cron counts in minutes."""
    if _first(engine, SLOT):
        check_and_retrain(engine, settings, stop, alerts)


def retrain_in_turn(
    engine: Engine, settings: Settings, stop: threading.Event, alerts: Alerts
) -> None:
    """The calendar asks for a retrain: a check looks for what stands against it, then the governor.

    So what faulty data would teach is not learned on a schedule either.
    """
    schedule = load_params(settings.params_file).monitoring.policy.retrain_schedule
    if schedule is not None and _first(engine, RETRAIN_SLOT):
        due = f"the calendar asks for it (policy.retrain_schedule: {schedule!r})"
        check_and_retrain(engine, settings, stop, alerts, due=due)


def _first(engine: Engine, slot: str) -> bool:
    try:
        with write_transaction(engine) as connection:
            take_turns(connection)
            leases.take(connection, slot, leases.this_process(), leases.utc_now(), SLOT_LENGTH)
    except leases.LeaseTakenError as taken:
        log.info("another scheduler has this run: %s", taken)
        return False
    return True


def check_and_retrain(
    engine: Engine,
    settings: Settings,
    stop: threading.Event,
    alerts: Alerts,
    clock: Clock = leases.utc_now,
    due: str | None = None,
) -> None:
    """Judge who is on probation, check whoever is champion then, and retrain if that is due.

    Args:
        due: as run_check.
    """
    params = load_params(settings.params_file)
    now = clock()
    _judge_probation(engine, settings, params, now, alerts)
    with engine.connect() as connection:
        before = last_facts(connection)
    try:
        check = run_check(
            engine, settings.bundles_dir, settings.reports_dir, params.monitoring, now, due
        )
    except NoChampionError as error:
        log.warning("check skipped: %s", error)
        return
    log.info("check %s: %s: %s", check.check_id, check.decision.action, check.decision.reason)
    alerts.send(news_of_check(before, check.facts))
    outcome = _retrain(engine, settings, params, check, clock, stop)
    if outcome is not None:
        log.info("retrain %s %s: %s", outcome.retrain_id, outcome.state, outcome.reason)
        alerts.send(news_of_retrain(outcome.state, outcome.challenger, outcome.reason))


def _retrain(
    engine: Engine,
    settings: Settings,
    params: Params,
    check: Check,
    clock: Clock,
    stop: threading.Event,
) -> Outcome | None:
    outcome = retrain_after(engine, settings, params, clock, check, stop=stop)
    with engine.connect() as connection:
        owed = wanted_retrain(connection)
    if outcome is not None or owed is None:
        return outcome
    trigger = of_erasure(owed, clock())
    try:
        return run_retrain(engine, settings, params, clock, trigger, stop=stop)
    except RefusedError as refused:
        log.info("no retrain for an erasure: %s", refused)
        return None


def watch_probation(
    engine: Engine, settings: Settings, _stop: threading.Event, alerts: Alerts
) -> None:
    """Look at what is known of a promoted champion before outcomes come: a broken one goes soon."""
    params = load_params(settings.params_file)
    if params.monitoring.probation is not None and _first(engine, PROBATION_SLOT):
        _judge_probation(engine, settings, params, leases.utc_now(), alerts, outcomes=False)


def _judge_probation(
    engine: Engine,
    settings: Settings,
    params: Params,
    now: datetime,
    alerts: Alerts,
    *,
    outcomes: bool = True,
) -> None:
    bundles = settings.bundles_dir
    found = run_probation(engine, bundles, params.monitoring, now, outcomes=outcomes)
    if found is None:
        return
    log.info("probation: %s", found.reason)
    if found.rolled_back_to is not None:
        title = f"rolled back to version {found.rolled_back_to}"
        alerts.send(News("warning", title, found.reason))


def judge_canary(
    engine: Engine, settings: Settings, _stop: threading.Event, alerts: Alerts
) -> None:
    """Look at the canary that runs, whatever params say of the next challenger."""
    with engine.connect() as connection:
        running = find(connection) is not None
    if not running or not _first(engine, CANARY_SLOT):
        return
    params = load_params(settings.params_file).monitoring
    found = run_canary(engine, settings.bundles_dir, params, datetime.now(UTC))
    if found is None:
        return
    log.info("canary %s: %s: %s", found.version, found.state, found.reason)
    if found.state not in (CANARY, DECIDED):
        alerts.send(news_of_canary(found.state, found.version, found.reason))


def recalibrate(
    engine: Engine, settings: Settings, _stop: threading.Event, _alerts: Alerts
) -> None:
    """Let the champion's answers follow the newest mature outcomes."""
    params = load_params(settings.params_file).monitoring.recalibrate
    if params is None:
        return
    try:
        found = run_recalibration(engine, settings, params, datetime.now(UTC))
    except NoChampionError as error:
        log.warning("recalibration skipped: %s", error)
        return
    verb = "promoted" if found.changed else "kept"
    log.info("recalibration %s %s: %s", verb, found.version, found.reason)


def update(engine: Engine, settings: Settings, stop: threading.Event, alerts: Alerts) -> None:
    """Let the champion go on learning, if that is asked for and it can."""
    params = load_params(settings.params_file)
    if params.monitoring.update is None:
        return
    trigger = of_update_schedule(leases.utc_now())
    try:
        outcome = run_update(engine, settings, params, leases.utc_now, trigger, stop=stop)
    except (NoChampionError, RefusedError) as refused:
        log.info("no update: %s", refused)
        return
    log.info("update %s %s: %s", outcome.retrain_id, outcome.state, outcome.reason)
    alerts.send(news_of_retrain(outcome.state, outcome.challenger, outcome.reason, "update"))


def delete_old(engine: Engine, settings: Settings, stop: threading.Event, _alerts: Alerts) -> None:
    """Delete what monitoring.retention no longer keeps; asked to stop, the next run goes on."""
    params = load_params(settings.params_file).monitoring
    kept = run_retention(engine, params, lambda: datetime.now(UTC), stop)
    if kept is not None:
        log.info("retention %s", kept)
    days, now = params.retention.bundle_days, datetime.now(UTC)
    old = now - timedelta(days=params.retention.vitals_days)
    delete_old_vitals(engine, old, stop.wait)
    delete_old_scorings(engine, old, stop.wait)
    if removed := remove_old_bundles(engine, settings.bundles_dir, days, now):
        log.info("files of %d old versions were removed: %s", len(removed), ", ".join(removed))


def show_life(
    next_check: Callable[[datetime], datetime | None],
    engine: Engine,
    _settings: Settings,
    _stop: threading.Event,
    _alerts: Alerts,
) -> None:
    """Let the dead-man's switch see that this scheduler runs its jobs, and people when it checks.

    Args:
        next_check: the moment of the first check after another one.
    """
    now = leases.utc_now()
    beat(engine, now, next_check(now))


def bury(engine: Engine, settings: Settings, _stop: threading.Event, alerts: Alerts) -> None:
    """Resolve what dead processes left of their retrains."""
    for retrain_id in clean_up(engine, settings, leases.utc_now()):
        why = f"{retrain_id} was interrupted: its process ended"
        alerts.send(news_of_retrain("failed", None, why))
