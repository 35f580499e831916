"""Retention: what is too old, or too much, is deleted: predictions with outcomes, bundles, vitals.

`python -m monitoring.retention` does now what the scheduler does once a day; docs/data-life.md.
"""

import argparse
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from sqlalchemy import Connection, Engine, func, select, tuple_

from contracts.audit import record
from contracts.database import make_engine, write_transaction
from contracts.migrate import require_current
from contracts.monitoring_params import Monitoring
from contracts.params import load_params
from contracts.registry import take_turns
from contracts.settings import Settings
from contracts.tables import predictions, vitals
from monitoring import leases
from monitoring.attempts import LEASE as RETRAIN
from monitoring.bundles import removable_bundles, remove_old_bundles
from monitoring.check import REFUSALS
from monitoring.deletion import (
    Deleted,
    delete_old_keys,
    delete_old_scorings,
    delete_old_vitals,
    delete_paced,
)

LEASE = "retention"
LONGEST = timedelta(hours=1)  # of one run; the next one goes on
PAGE_ROWS = 20_000
OFF = "predictions stay: monitoring.retention names no days and no rows"


@dataclass(frozen=True)
class Plan:
    """What is to go: the oldest `rows`, all of them older than `before`.

    Attributes:
        too_old, too_many: rows that days and rows ask to delete.
        kept_for_checks: rows that are too many, and that a window still needs.
    """

    before: datetime
    rows: int
    too_old: int = 0
    too_many: int = 0
    kept_for_checks: int = 0


@dataclass(frozen=True)
class Kept:
    """What a run did; `stopped` says why it ended early, None = it did not."""

    plan: Plan
    deleted: Deleted
    stopped: str | None = None

    def __str__(self) -> str:
        gone = self.deleted
        text = (
            f"deleted {gone.predictions} of {self.plan.rows} predictions from before "
            f"{self.plan.before:%Y-%m-%d %H:%M} with {gone.outcomes} outcomes"
        )
        if self.plan.kept_for_checks:
            text += f"; {self.plan.kept_for_checks} more than allowed stay for the checks' windows"
        return text if self.stopped is None else f"{text}; stopped: {self.stopped}"


def make_plan(connection: Connection, params: Monitoring, now: datetime) -> Plan | None:
    """Count what has to go; None = nothing is asked for."""
    wanted, window = params.retention, now - timedelta(days=params.longest_days)
    if wanted.days is None and wanted.rows is None:
        return None
    age = now - timedelta(days=wanted.days) if wanted.days is not None else None
    too_old = _count(connection, age) if age is not None else 0
    too_many = 0
    if wanted.rows is not None:
        too_many = max(0, _count(connection, None) - wanted.rows)
    rows = max(too_old, too_many)
    may_go = _count(connection, window) if too_many > too_old else rows
    before = window if too_many > too_old or age is None else age
    return Plan(before, min(rows, may_go), too_old, too_many, max(0, rows - may_go))


def run_retention(
    engine: Engine,
    params: Monitoring,
    clock: Callable[[], datetime],
    stop: threading.Event,
) -> Kept | None:
    """Delete what has to go, and write into the audit log what that was; None = it is off.

    Args:
        stop: when set, the rest is left to the next run.

    Raises:
        LeaseTakenError: another one is running.
    """
    now = clock()
    with engine.connect() as connection:
        plan = make_plan(connection, params, now)
    if plan is None or not plan.rows:
        return None if plan is None else Kept(plan, Deleted())
    with write_transaction(engine) as connection:
        take_turns(connection)
        wall = leases.utc_now()
        token = leases.take(connection, LEASE, leases.this_process(), wall, leases.LENGTH)
        detail = {"before": plan.before.isoformat(), "rows": plan.rows}
        _note(connection, "retention began", detail, now)
    kept = Kept(plan, Deleted())
    with leases.kept(engine, LEASE, token, 2 * LONGEST) as lost:
        try:
            for so_far in _delete(engine, plan, lost, clock, stop):
                kept = so_far
        finally:  # also on Ctrl-C: what is gone is written down
            with write_transaction(engine) as connection:
                detail = {**detail, **asdict(kept.deleted), "stopped": kept.stopped}
                _note(connection, "retention ended", detail, clock())
    return kept


def _delete(
    engine: Engine,
    plan: Plan,
    lost: threading.Event,
    clock: Callable[[], datetime],
    stop: threading.Event,
) -> Iterator[Kept]:
    """What has been done so far, after every transaction and at the end."""
    total, stopped = Deleted(), None

    def may_go_on(connection: Connection) -> bool:
        nonlocal stopped
        if leases.running(connection, RETRAIN, leases.utc_now(), leases.LENGTH) is not None:
            stopped = "a retrain is running and needs what it has begun with"
        elif stop.is_set() or clock() - started > LONGEST:
            stopped = f"{plan.rows - total.predictions} wait for the next run"
        elif lost.is_set():
            stopped = "another run has taken over"
        return stopped is None

    started = clock()
    ids = islice(_oldest(engine, plan.before), plan.rows)
    for deleted in delete_paced(engine, ids, may_go_on, stop.wait):
        total += deleted
        yield Kept(plan, total)
    if stopped is None:
        delete_old_keys(engine, plan.before, stop.wait)
    yield Kept(plan, total, stopped)


def _oldest(engine: Engine, before: datetime) -> Iterator[str]:
    """Ids of the predictions before a moment, oldest first."""
    key = tuple_(predictions.c.event_time, predictions.c.prediction_id)
    query = select(predictions.c.event_time, predictions.c.prediction_id).order_by(*key)
    query = query.where(predictions.c.event_time < before).limit(PAGE_ROWS)
    page = query
    while True:
        with engine.connect() as connection:
            found = connection.execute(page).all()
        yield from (row.prediction_id for row in found)
        if len(found) < PAGE_ROWS:
            return
        page = query.where(key > (found[-1].event_time, found[-1].prediction_id))


def _count(connection: Connection, before: datetime | None) -> int:
    query = select(func.count()).select_from(predictions)
    if before is not None:
        query = query.where(predictions.c.event_time < before)
    return connection.execute(query).scalar_one()


def _note(connection: Connection, action: str, detail: dict[str, object], now: datetime) -> None:
    record(connection, actor=LEASE, action=action, subject="predictions", detail=detail, now=now)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m monitoring.retention", description=__doc__)
    parser.add_argument("--dry-run", action="store_true", help="count only")
    arguments = parser.parse_args()
    settings = Settings()
    try:
        engine = make_engine(settings.database_url, pooled=False)
        require_current(engine)
        params = load_params(settings.params_file).monitoring
        told = list((_tell if arguments.dry_run else _keep)(engine, settings, params))
    except (*REFUSALS, leases.LeaseTakenError) as error:
        sys.exit(str(error))
    sys.stdout.write("\n".join(told) + "\n")


def _tell(engine: Engine, settings: Settings, params: Monitoring) -> Iterator[str]:
    now, days = datetime.now(UTC), params.retention.bundle_days
    with engine.connect() as connection:
        plan = make_plan(connection, params, now)
    yield f"{plan.rows} predictions before {plan.before} would go" if plan else OFF
    old = vitals.c.since < now - timedelta(days=params.retention.vitals_days)
    with engine.connect() as connection:
        number = connection.execute(select(func.count()).select_from(vitals).where(old))
        yield f"{number.scalar_one()} rows of vitals would go"
    if days is not None:
        named = removable_bundles(engine, settings.bundles_dir, days, now)
        yield f"files of {len(named)} versions would go: {', '.join(named) or 'none'}"


def _keep(engine: Engine, settings: Settings, params: Monitoring) -> Iterator[str]:
    now, days = datetime.now(UTC), params.retention.bundle_days
    kept = run_retention(engine, params, lambda: datetime.now(UTC), threading.Event())
    yield str(kept or OFF)
    old = now - timedelta(days=params.retention.vitals_days)
    yield f"deleted {delete_old_vitals(engine, old)} rows of vitals"
    yield f"deleted {delete_old_scorings(engine, old)} lists of scored files"
    if days is not None:
        named = remove_old_bundles(engine, settings.bundles_dir, days, now)
        yield f"removed the files of {len(named)} versions: {', '.join(named) or 'none'}"


if __name__ == "__main__":
    main()
