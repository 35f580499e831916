"""The scheduler process: runs a check on its schedule and, if that decides so, a retrain.

`python -m monitoring.scheduler`. Its jobs live in memory; what they did lives in the database.
"""

import argparse
import logging
import signal
import sys
import threading
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import Engine

from contracts.database import DatabaseUrlError, make_engine, write_transaction
from contracts.migrate import DatabaseOutOfDateError, require_current
from contracts.params import Monitoring, ParamsError, load_params
from contracts.registry import take_turns
from contracts.settings import Settings
from monitoring import leases
from monitoring.alerts import Alerts, AlertUrlError, News, news_of_check, news_of_retrain
from monitoring.check import NoChampionError, last_facts, run_check
from monitoring.probation import run_probation
from monitoring.recalibrate import run_recalibration
from monitoring.recovery import EVERY_SECONDS, clean_up
from monitoring.retrain import retrain_after

MISFIRE_GRACE_SECONDS = 3600
SLOT, SLOT_LENGTH = "check", timedelta(seconds=50)  # taken once a run, never given back
log = logging.getLogger("monitoring")


def check_and_retrain(
    engine: Engine, settings: Settings, stop: threading.Event, alerts: Alerts
) -> None:
    """One scheduled run; params are read each time, so that an edit needs no restart."""
    params = load_params(settings.params_file)
    now = datetime.now(UTC)
    _judge_probation(engine, settings, params.monitoring, now, alerts)
    with engine.connect() as connection:
        before = last_facts(connection)
    try:
        check = run_check(
            engine, settings.bundles_dir, settings.reports_dir, params.monitoring, now
        )
    except NoChampionError as error:
        log.warning("check skipped: %s", error)
        return
    log.info("check %s: %s: %s", check.check_id, check.decision.action, check.decision.reason)
    alerts.send(news_of_check(before, check.facts))
    outcome = retrain_after(engine, settings, params, leases.utc_now, check, stop=stop)
    if outcome is not None:
        log.info("retrain %s %s: %s", outcome.retrain_id, outcome.state, outcome.reason)
        alerts.send(news_of_retrain(outcome.state, outcome.challenger, outcome.reason))


def _judge_probation(
    engine: Engine, settings: Settings, params: Monitoring, now: datetime, alerts: Alerts
) -> None:
    """Before the check, which then judges whoever is champion."""
    found = run_probation(engine, settings.bundles_dir, params, now)
    if found is None:
        return
    log.info("probation: %s", found.reason)
    if found.rolled_back_to is not None:
        title = f"rolled back to version {found.rolled_back_to}"
        alerts.send(News("warning", title, found.reason))


def run(engine: Engine, settings: Settings, stop: threading.Event, alerts: Alerts) -> None:
    """Block until `stop` is set; a retrain under way is then given up and marked failed."""
    params = load_params(settings.params_file).monitoring
    scheduler = BackgroundScheduler(timezone=UTC)
    scheduler.add_job(
        _guarded,
        CronTrigger.from_crontab(params.schedule, UTC),
        args=[engine, settings, stop, alerts],
        coalesce=True,
        max_instances=1,
        misfire_grace_time=MISFIRE_GRACE_SECONDS,
    )
    if (recalibrate := params.recalibrate) is not None:
        scheduler.add_job(
            _guarded_recalibration,
            CronTrigger.from_crontab(recalibrate.schedule, UTC),
            args=[engine, settings, alerts],
            coalesce=True,
            max_instances=1,
            misfire_grace_time=MISFIRE_GRACE_SECONDS,
        )
        log.info("recalibrations run at %r (UTC)", recalibrate.schedule)
    scheduler.add_job(
        _clean_up,
        IntervalTrigger(seconds=EVERY_SECONDS, timezone=UTC),
        args=[engine, settings, alerts],
        next_run_time=leases.utc_now(),
        coalesce=True,
        max_instances=1,
        misfire_grace_time=MISFIRE_GRACE_SECONDS,
    )
    scheduler.start()
    log.info("checks run at %r (UTC)", params.schedule)
    stop.wait()
    scheduler.shutdown()


def _guarded(engine: Engine, settings: Settings, stop: threading.Event, alerts: Alerts) -> None:
    """The job's border: whatever fails is logged and told, and the next run comes."""
    try:
        if _is_mine(engine, leases.utc_now()):
            check_and_retrain(engine, settings, stop, alerts)
    except Exception as error:  # the job's border: one failed run must not end the schedule
        log.exception("the check failed; the next one runs on schedule")
        alerts.send(News("failure", "a check failed", f"{type(error).__name__}; see the log"))


def recalibrate(engine: Engine, settings: Settings) -> None:
    """One scheduled recalibration, by the params of this moment."""
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


def _guarded_recalibration(engine: Engine, settings: Settings, alerts: Alerts) -> None:
    """The job's border, as above."""
    try:
        recalibrate(engine, settings)
    except Exception as error:  # the job's border: one failed run must not end the schedule
        log.exception("the recalibration failed; the next one runs on schedule")
        alerts.send(
            News("failure", "a recalibration failed", f"{type(error).__name__}; see the log")
        )


def _is_mine(engine: Engine, now: datetime) -> bool:
    """Of several schedulers that fire together the first one checks; cron counts in minutes."""
    try:
        with write_transaction(engine) as connection:
            take_turns(connection)
            leases.take(connection, SLOT, leases.this_process(), now, SLOT_LENGTH)
    except leases.LeaseTakenError as taken:
        log.info("another scheduler has this run: %s", taken)
        return False
    return True


def _clean_up(engine: Engine, settings: Settings, alerts: Alerts) -> None:
    try:
        for retrain_id in clean_up(engine, settings, leases.utc_now()):
            why = f"{retrain_id} was interrupted: its process ended"
            alerts.send(news_of_retrain("failed", None, why))
    except Exception:  # the job's border, too
        log.exception("what dead processes left could not be cleared away; tried again soon")


def main() -> None:
    argparse.ArgumentParser(prog="python -m monitoring.scheduler", description=__doc__).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    for library in ("apscheduler", "alembic"):
        logging.getLogger(library).setLevel(logging.WARNING)
    settings = Settings()
    try:
        engine = make_engine(settings.database_url)
        require_current(engine)
        load_params(settings.params_file)
        alerts = Alerts(settings.alert_urls.split())
    except (AlertUrlError, DatabaseUrlError, DatabaseOutOfDateError, ParamsError) as error:
        sys.exit(str(error))
    stop = threading.Event()
    for how in (signal.SIGTERM, signal.SIGINT):
        signal.signal(how, lambda _signal, _frame: stop.set())
    run(engine, settings, stop, alerts)


if __name__ == "__main__":
    main()
