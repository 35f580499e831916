"""The scheduler process: runs a check on its schedule and, if that decides so, a retrain.

`python -m monitoring.scheduler`. Its jobs live in memory; what they did lives in the database.
"""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.cron import CronTrigger
from sqlalchemy import Engine

from contracts.database import DatabaseUrlError, make_engine
from contracts.migrate import DatabaseOutOfDateError, require_current
from contracts.params import ParamsError, load_params
from contracts.settings import Settings
from monitoring.alerts import Alerts, AlertUrlError, News, news_of_check, news_of_retrain
from monitoring.check import NoChampionError, last_facts, run_check
from monitoring.erasure import wanted_retrain
from monitoring.retention import run_retention
from monitoring.retrain import run_retrain

MISFIRE_GRACE_SECONDS = 3600
RETENTION_SCHEDULE = "30 3 * * *"  # UTC
Job = Callable[[Engine, Settings, threading.Event, Alerts], None]
log = logging.getLogger("monitoring")


def check_and_retrain(
    engine: Engine, settings: Settings, stop: threading.Event, alerts: Alerts
) -> None:
    """One scheduled run; params are read each time, so that an edit needs no restart."""
    params = load_params(settings.params_file)
    now = datetime.now(UTC)
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
    with engine.connect() as connection:
        reason = wanted_retrain(connection)
    if check.decision.action == "retrain":
        reason = check.decision.reason
    if reason is not None:
        outcome = run_retrain(
            engine,
            settings,
            params,
            lambda: datetime.now(UTC),
            reason=reason,
            check_id=check.check_id,
            stop=stop,
        )
        log.info("retrain %s %s: %s", outcome.retrain_id, outcome.state, outcome.reason)
        alerts.send(news_of_retrain(outcome.state, outcome.challenger, outcome.reason))


def delete_old(engine: Engine, settings: Settings, stop: threading.Event, _alerts: Alerts) -> None:
    """Delete what monitoring.retention no longer keeps; asked to stop, the next run goes on."""
    params = load_params(settings.params_file).monitoring
    kept = run_retention(engine, params, lambda: datetime.now(UTC), stop)
    if kept is not None:
        log.info("retention %s", kept)


def run(engine: Engine, settings: Settings, stop: threading.Event, alerts: Alerts) -> None:
    """Block until `stop` is set; a retrain under way is then given up and marked failed."""
    schedule = load_params(settings.params_file).monitoring.schedule
    scheduler = BackgroundScheduler(timezone=UTC)
    for job, when in ((check_and_retrain, schedule), (delete_old, RETENTION_SCHEDULE)):
        scheduler.add_job(
            _guarded,
            CronTrigger.from_crontab(when, UTC),
            args=[job, engine, settings, stop, alerts],
            coalesce=True,
            max_instances=1,
            misfire_grace_time=MISFIRE_GRACE_SECONDS,
        )
    scheduler.start()
    log.info("checks run at %r (UTC)", schedule)
    stop.wait()
    scheduler.shutdown()


def _guarded(
    job: Job, engine: Engine, settings: Settings, stop: threading.Event, alerts: Alerts
) -> None:
    """The job's border: whatever fails is logged and told, and the next run comes."""
    what = "check" if job is check_and_retrain else "retention"
    try:
        job(engine, settings, stop, alerts)
    except Exception as error:  # the job's border: one failed run must not end the schedule
        log.exception("the %s failed; the next one runs on schedule", what)
        alerts.send(News("failure", f"a {what} failed", f"{type(error).__name__}; see the log"))


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
