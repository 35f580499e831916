"""The scheduler process: runs checks, recalibrations, updates, retention, recovery on schedule.

`python -m monitoring.scheduler`. Its jobs live in memory; what they did lives in the database.
"""

import argparse
import logging
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC
from functools import partial

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger
from sqlalchemy import Engine

from contracts.database import DatabaseUrlError, make_engine
from contracts.migrate import DatabaseOutOfDateError, require_current
from contracts.monitoring_params import Monitoring
from contracts.params import ParamsError, load_params
from contracts.settings import Settings
from monitoring import leases
from monitoring.alerts import Alerts, AlertUrlError, News
from monitoring.errands import EVERY_SECONDS as ERRAND_SECONDS
from monitoring.errands import check_if_asked, retrain_if_asked
from monitoring.heartbeat import EVERY_SECONDS as BEAT_SECONDS
from monitoring.jobs import (
    bury,
    check_in_turn,
    delete_old,
    judge_canary,
    recalibrate,
    retrain_in_turn,
    show_life,
    update,
    watch_probation,
)
from monitoring.recovery import EVERY_SECONDS

MISFIRE_GRACE_SECONDS = 3600
RETENTION_SCHEDULE = "30 3 * * *"  # UTC
CANARY_SCHEDULE = "*/10 * * * *"
AT_ONCE = ("recovery", "sign of life")  # at the start too
BY_LEASE = (check_if_asked, retrain_if_asked)  # one may run for an hour; the next look sees that
Job = Callable[[Engine, Settings, threading.Event, Alerts], None]
log = logging.getLogger("monitoring")


def run(engine: Engine, settings: Settings, stop: threading.Event, alerts: Alerts) -> None:
    """Block until `stop` is set; a retrain under way is then given up and marked failed."""
    params = load_params(settings.params_file).monitoring
    scheduler = BackgroundScheduler(timezone=UTC)
    for name, (job, trigger) in jobs_of(params).items():
        at_once = {"next_run_time": leases.utc_now()} if name in AT_ONCE else {}
        scheduler.add_job(
            _guarded,
            trigger,
            args=[name, job, engine, settings, stop, alerts],
            coalesce=True,
            max_instances=2 if job in BY_LEASE else 1,
            misfire_grace_time=MISFIRE_GRACE_SECONDS,
            **at_once,
        )
    scheduler.start()
    log.info("checks run at %r (UTC)", params.schedule)
    stop.wait()
    scheduler.shutdown()


def jobs_of(params: Monitoring) -> dict[str, tuple[Job, BaseTrigger]]:
    """What runs, and when, by name."""
    check = CronTrigger.from_crontab(params.schedule, UTC)
    life = partial(show_life, partial(check.get_next_fire_time, None))
    jobs: dict[str, tuple[Job, BaseTrigger]] = {
        "check": (check_in_turn, check),
        "canary": (judge_canary, CronTrigger.from_crontab(CANARY_SCHEDULE, UTC)),
        "retention": (delete_old, CronTrigger.from_crontab(RETENTION_SCHEDULE, UTC)),
        "recovery": (bury, IntervalTrigger(seconds=EVERY_SECONDS, timezone=UTC)),
        "sign of life": (life, IntervalTrigger(seconds=BEAT_SECONDS, timezone=UTC)),
        "check that was asked for": (check_if_asked, _often()),
        "retrain that was asked for": (retrain_if_asked, _often()),
    }
    if params.probation is not None:
        when = CronTrigger.from_crontab(params.probation.schedule, UTC)
        jobs["look at who is on probation"] = (watch_probation, when)
    if params.recalibrate is not None:
        when = CronTrigger.from_crontab(params.recalibrate.schedule, UTC)
        jobs["recalibration"] = (recalibrate, when)
    if params.update is not None:
        jobs["update"] = (update, CronTrigger.from_crontab(params.update.schedule, UTC))
    if params.policy.retrain_schedule is not None:
        when = CronTrigger.from_crontab(params.policy.retrain_schedule, UTC)
        jobs["retrain on schedule"] = (retrain_in_turn, when)
    return jobs


def _often() -> IntervalTrigger:
    return IntervalTrigger(seconds=ERRAND_SECONDS, timezone=UTC)


def _guarded(
    name: str,
    job: Job,
    engine: Engine,
    settings: Settings,
    stop: threading.Event,
    alerts: Alerts,
) -> None:
    """The job's border: whatever fails is logged and told, and the next run comes."""
    try:
        job(engine, settings, stop, alerts)
    except Exception as error:  # the job's border: one failed run must not end the schedule
        log.exception("the %s failed; the next one runs on schedule", name)
        alerts.send(News("failure", f"a {name} failed", f"{type(error).__name__}; see the log"))


def main() -> None:
    argparse.ArgumentParser(prog="python -m monitoring.scheduler", description=__doc__).parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    for library in ("apscheduler", "alembic", "httpx"):  # its lines hold signed addresses
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
