"""A retrain: snapshot the outcomes, `dvc repro` in a working copy, gate, register, promote.

`python -m monitoring.retrain now --reason "..."` starts one.
"""

import argparse
import json
import logging
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Connection, Engine, insert, update
from uuid_utils import uuid7

from contracts.bundle import Bundle, BundleError, base_of, copy_bundle, load_bundle
from contracts.database import make_engine, write_transaction
from contracts.migrate import require_current
from contracts.params import Params, load_params
from contracts.registry import champion, promote, register
from contracts.schema import SchemaError
from contracts.settings import Settings
from contracts.tables import retrains
from monitoring import leases
from monitoring.check import REFUSALS, NoChampionError
from monitoring.gate import Verdict, judge
from monitoring.recalibration import Labelled, follow
from monitoring.snapshot import NoOutcomesError, write_snapshot
from monitoring.working_copy import CommandError, WorkingCopy, working_copy

LEASE = "retrain"
# For what happens around `dvc repro`, which alone has the deadline.
LEASE_MARGIN = timedelta(minutes=15)
BUNDLE, HOLDOUT = Path("build/bundle"), Path("build/holdout.parquet")
OUTCOMES, TABLE, CHAMPION = Path("data/outcomes"), Path("data/table"), Path("data/champion")
VERDICT = Path("build/gate.json")

Clock = Callable[[], datetime]
log = logging.getLogger(__name__)


class GateFailedError(RuntimeError):
    """The pipeline's own gate refused the bundle; nothing was registered."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("the pipeline's gate refused it: " + "; ".join(reasons))


@dataclass(frozen=True)
class Outcome:
    """How a retrain ended: promoted, rejected or failed."""

    retrain_id: str
    state: str
    challenger: str | None
    reason: str


@dataclass(frozen=True)
class _Run:
    """What every step of one retrain needs."""

    retrain_id: str
    engine: Engine
    settings: Settings
    params: Params
    clock: Clock
    champion: Bundle
    base: Bundle  # the champion without its recalibration
    token: int


def run_retrain(
    engine: Engine,
    settings: Settings,
    params: Params,
    clock: Clock,
    *,
    reason: str,
    check_id: str | None = None,
    stop: threading.Event | None = None,
) -> Outcome:
    """Run one retrain to its end; what it finds is in its row of `retrains` and in its log.

    Args:
        clock: tells the time, which need not be today's.
        stop: when set, the retrain is given up and marked failed.

    Raises:
        NoChampionError: there is nothing to challenge.
        BundleError: the champion's bundle is damaged.
        LeaseTakenError: another retrain is running.
    """
    run = _start(engine, settings, params, clock, reason, check_id)
    try:
        outcome = _train_and_gate(run, stop or threading.Event())
    except GateFailedError as refused:
        outcome = Outcome(run.retrain_id, "rejected", None, str(refused))
        _note(run, state="rejected", verdict=json.dumps({"promote": False, "reason": str(refused)}))
    except (CommandError, BundleError, NoOutcomesError, SchemaError, OSError) as error:
        outcome = Outcome(run.retrain_id, "failed", None, str(error))
        _note(run, state="failed", verdict=json.dumps({"error": str(error)}))
    except BaseException as error:  # whatever it is goes up, but not without a trace
        _note(run, state="failed", verdict=json.dumps({"error": repr(error)}))
        raise
    finally:
        with write_transaction(engine) as connection:
            leases.release(connection, LEASE, run.token)
    return outcome


def _start(
    engine: Engine,
    settings: Settings,
    params: Params,
    clock: Clock,
    reason: str,
    check_id: str | None,
) -> _Run:
    retrain_id, now = str(uuid7()), clock()
    holder = f"{platform.node()}:{os.getpid()}"
    length = timedelta(minutes=params.monitoring.retrain.deadline_minutes) + LEASE_MARGIN
    with engine.connect() as connection:
        current = champion(connection)
    if current is None:
        raise NoChampionError
    bundle = load_bundle(settings.bundles_dir / current.version)
    base = base_of(bundle, settings.bundles_dir)
    with write_transaction(engine) as connection:
        token = leases.take(connection, LEASE, holder, now, length)
        _bury_interrupted(connection, now)
        row = {"retrain_id": retrain_id, "check_id": check_id, "started_at": now,
               "state": "started", "reason": reason, "champion_version": current.version,
               "verdict": "{}"}  # fmt: skip
        connection.execute(insert(retrains).values(row))
    return _Run(retrain_id, engine, settings, params, clock, bundle, base, token)


def _train_and_gate(run: _Run, stop: threading.Event) -> Outcome:
    work = run.settings.work_dir / run.retrain_id
    with working_copy(run.settings.project_dir, work, work.with_suffix(".log"), stop) as copy:
        _train(run, copy)
        commit = copy.commit(
            f"Retrain {run.retrain_id}", run.settings.project_dir.resolve(),
            f"refs/retrains/{run.retrain_id}",
        )  # fmt: skip
        made = {"made_at": run.clock().isoformat(), "host": platform.node(), "commit": commit,
                "python": platform.python_version()}  # fmt: skip
        source = copy.directory / BUNDLE
        version = register(run.engine, run.settings.bundles_dir, source, run.clock(), made)
        _note(run, state="trained", challenger_version=version)
        _track(copy, commit)
        holdout = pd.read_parquet(copy.directory / HOLDOUT)
    verdict = _judge(run, holdout)
    return _conclude(run, version, verdict)


def _track(copy: WorkingCopy, commit: str) -> None:
    """Log the bundle to MLflow where one is named; a store that is down costs no retrain."""
    if os.environ.get("MLFLOW_TRACKING_URI"):
        try:
            copy.run("python", "-m", "pipeline.track", "--commit", commit)
        except CommandError as error:
            log.warning("not logged to MLflow: %s", error)


def _train(run: _Run, copy: WorkingCopy) -> None:
    """Add the snapshot as the only one (it holds every outcome so far) and run the pipeline.

    The champion lies where the pipeline's own gate compares, without a recalibration: its offsets
    know outcomes of the very rows on which that gate judges.

    Raises:
        GateFailedError: that gate refused the bundle.
        CommandError: another stage failed.
    """
    champion_at = copy.directory / CHAMPION
    copy_bundle(run.settings.bundles_dir / run.base.version, champion_at)
    for old in (copy.directory / OUTCOMES).glob("*.parquet.dvc"):
        old.unlink()
    with run.engine.connect() as connection:
        directory = copy.directory / OUTCOMES
        snapshot = write_snapshot(connection, run.champion.schema, run.clock(), directory)
    copy.run("dvc", "add", "--quiet", str(OUTCOMES / snapshot.name))
    for table in sorted((copy.directory / TABLE).glob("*.dvc")):  # an adopted one
        copy.run("dvc", "checkout", "--quiet", str(TABLE / table.name))
    seconds = run.params.monitoring.retrain.deadline_minutes * 60
    try:
        copy.run("dvc", "repro", deadline_seconds=seconds)
    except CommandError:
        if failed := _failed_gates(copy.directory / VERDICT):
            raise GateFailedError(failed) from None
        raise


def _failed_gates(path: Path) -> list[str]:
    """Reasons of the pipeline's gate; none where another stage has failed before it."""
    if not path.exists():
        return []
    rules = json.loads(path.read_text())["rules"]
    return [f"{rule['rule']}: {rule['reason']}" for rule in rules if not rule["passed"]]


def _judge(run: _Run, holdout: pd.DataFrame) -> Verdict:
    """Gate on the held-out rows that the champion has not learned from either.

    Where the product recalibrates, both are judged as they would have been recalibrated.
    """
    schema, task = run.base.schema, run.base.schema.target.task
    learned_until = datetime.fromisoformat(run.base.manifest["trained_until"])
    fresh = holdout[holdout[schema.timestamp] > learned_until].reset_index(drop=True)
    times = fresh[schema.timestamp]
    truths = schema.target.truths(fresh[schema.target.name].tolist())
    old = run.base.model().answers_of(fresh).astype(float)
    new = fresh[schema.answers].to_numpy(float)
    if (params := run.params.monitoring.recalibrate) is not None:
        old, new = (follow(Labelled(task, times, truths, each), params) for each in (old, new))
    return judge(task, times, truths, old, new, run.params.monitoring.gate)


def _conclude(run: _Run, version: str, verdict: Verdict) -> Outcome:
    """Promote, unless somebody else has changed the champion or taken over meanwhile."""
    now = run.clock()
    with write_transaction(run.engine) as connection:
        current = champion(connection)
        undisturbed = current is not None and current.version == run.champion.version
        undisturbed = undisturbed and leases.holds(connection, LEASE, run.token)
        state = "promoted" if verdict.promote and undisturbed else "rejected"
        reason = (
            verdict.reason
            if undisturbed
            else "champion or lease changed hands while this one trained"
        )
        if state == "promoted":
            actor = f"retrain {run.retrain_id}"
            promote(connection, version, actor=actor, reason=reason, now=now)
        _update(connection, run, state=state, finished_at=now,
                verdict=json.dumps({**asdict(verdict), "reason": reason}))  # fmt: skip
    return Outcome(run.retrain_id, state, version, reason)


def _bury_interrupted(connection: Connection, now: datetime) -> None:
    """Whoever holds the lease is the only one alive: unfinished rows belong to dead processes."""
    unfinished = retrains.c.state.in_(["started", "trained"])
    values = {"state": "failed", "finished_at": now,
              "verdict": json.dumps({"error": "interrupted: its process ended"})}  # fmt: skip
    connection.execute(update(retrains).where(unfinished).values(values))


def _note(run: _Run, **values: Any) -> None:
    if values["state"] in ("failed", "rejected"):
        values["finished_at"] = run.clock()
    with write_transaction(run.engine) as connection:
        _update(connection, run, **values)


def _update(connection: Connection, run: _Run, **values: Any) -> None:
    mine = retrains.c.retrain_id == run.retrain_id
    connection.execute(update(retrains).where(mine).values(values))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m monitoring.retrain", description=__doc__)
    parser.add_argument("now", nargs="?", choices=["now"], help="said or not, it starts at once")
    parser.add_argument("--reason", default="by hand", help="kept with the retrain")
    arguments = parser.parse_args()
    settings = Settings()
    sys.stdout.write(f"retraining, a minute or more; the log grows in {settings.work_dir}\n")
    sys.stdout.flush()
    stop = threading.Event()
    for how in (signal.SIGTERM, signal.SIGINT):
        signal.signal(how, lambda _signal, _frame: stop.set())
    try:
        engine = make_engine(settings.database_url)
        require_current(engine)
        params, reason = load_params(settings.params_file), arguments.reason
        outcome = run_retrain(
            engine, settings, params, lambda: datetime.now(UTC), reason=reason, stop=stop
        )
    except (*REFUSALS, leases.LeaseTakenError) as error:
        sys.exit(str(error))
    sys.stdout.write(
        f"{outcome.state}: {outcome.challenger or 'no challenger'}: {outcome.reason}\n"
    )
    sys.exit(outcome.state == "failed")


if __name__ == "__main__":
    main()
