"""A retrain: snapshot the outcomes, `dvc repro` in a working copy, gate, register, promote.

`python -m monitoring.retrain now --reason "..."` starts one.
"""

import argparse
import json
import logging
import platform
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Engine

from contracts.bundle import Bundle, BundleError, base_of, load_bundle
from contracts.database import make_engine, write_transaction
from contracts.migrate import require_current
from contracts.params import Params, Policy, load_params
from contracts.registry import champion, family, promote, register
from contracts.schema import FeatureSchema, SchemaError
from contracts.settings import Settings
from contracts.tables import AWAITING
from monitoring import leases, remote
from monitoring.attempts import (
    LEASE,
    LeaseLostError,
    RefusedError,
    Ticket,
    begin,
    note,
    require_held,
    supersede,
    write,
)
from monitoring.check import REFUSALS, Check, NoChampionError
from monitoring.gate import Verdict, judge, unless_golden_refuses
from monitoring.github import GithubError
from monitoring.golden import judge_golden
from monitoring.governor import Trigger
from monitoring.history import INTERRUPTED, RETRAIN
from monitoring.patience import PatienceLostError, patience
from monitoring.recalibration import Labelled, follow
from monitoring.recovery import clean_up
from monitoring.remote import trained_remotely
from monitoring.snapshot import NoOutcomesError
from monitoring.training import GateFailedError, track, train
from monitoring.triggers import decline, of_check, of_person
from monitoring.working_copy import CommandError, WorkingCopy, working_copy

# For what happens around `dvc repro`, which alone has the deadline.
LEASE_MARGIN = timedelta(minutes=15)
MOST_REASON = 1000  # characters that are sent elsewhere
BUNDLE, HOLDOUT = Path("build/bundle"), Path("build/holdout.parquet")

Clock = Callable[[], datetime]
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Way:
    """How a challenger is made: by a retrain, or by an update (monitoring/update.py).

    Attributes:
        make: leaves BUNDLE and HOLDOUT in the working copy; arguments as monitoring.training.train.
        policy: what the governor goes by; None = monitoring.policy.
    """

    action: str
    make: Callable[[Engine, WorkingCopy, Path, FeatureSchema, datetime, float], None]
    policy: Policy | None = None


BY_RETRAIN = Way(RETRAIN, train)


@dataclass(frozen=True)
class Outcome:
    """How a retrain ended: promoted, awaiting (a person's word), rejected or failed."""

    retrain_id: str
    state: str
    challenger: str | None
    reason: str


@dataclass(frozen=True)
class _Run:
    """What every step of one retrain needs."""

    ticket: Ticket
    engine: Engine
    settings: Settings
    params: Params
    clock: Clock
    champion: Bundle
    base: Bundle  # the champion without its recalibration
    reason: str
    stop: threading.Event
    lost: threading.Event
    way: Way
    facts: dict[str, str] = field(default_factory=dict)  # what its verdict says besides

    @property
    def retrain_id(self) -> str:
        return self.ticket.retrain_id

    @property
    def interrupted(self) -> bool:
        return self.stop.is_set() or self.lost.is_set()


def run_retrain(
    engine: Engine,
    settings: Settings,
    params: Params,
    clock: Clock,
    trigger: Trigger,
    *,
    stop: threading.Event | None = None,
    way: Way = BY_RETRAIN,
) -> Outcome:
    """Ask the governor and, on a yes, run one retrain to its end.

    What it finds is in its row of `retrains` and in its log; the answer in `decisions`.

    Args:
        clock: tells the time, which need not be today's.
        stop: when set, the retrain is given up and marked failed.

    Raises:
        NoChampionError: there is nothing to challenge.
        BundleError: the champion's bundle is damaged.
        RefusedError: the governor said no; another retrain that runs is one reason.
    """
    with engine.connect() as connection:
        current = champion(connection)
    if current is None:
        raise NoChampionError
    bundle = load_bundle(settings.bundles_dir / current.version)
    base = base_of(bundle, settings.bundles_dir)
    policy, wall = way.policy or params.monitoring.policy, leases.utc_now()
    ticket = begin(
        engine, trigger, policy, bundle.version, now=clock(), wall=wall, action=way.action
    )
    most = timedelta(minutes=params.monitoring.retrain.deadline_minutes) + LEASE_MARGIN
    with leases.kept(engine, LEASE, ticket.token, most) as lost:
        stop = stop or threading.Event()
        seen = trigger.seen
        run = _Run(ticket, engine, settings, params, clock, bundle, base, seen, stop, lost, way)
        return _run(run)


def _run(run: _Run) -> Outcome:
    try:
        return _train_and_gate(run)
    except GateFailedError as refused:
        return _end(run, "rejected", str(refused), {"promote": False, "reason": str(refused)})
    except (
        CommandError, BundleError, NoOutcomesError, SchemaError, OSError, LeaseLostError,
        GithubError, PatienceLostError,
    ) as error:  # fmt: skip
        return _end(run, "failed", str(error), {"error": str(error)})
    except BaseException as error:  # whatever it is goes up, but not without a trace
        _end(run, "failed", repr(error), {"error": repr(error)})
        raise


def _end(run: _Run, state: str, reason: str, verdict: dict[str, Any]) -> Outcome:
    """Write down how it ended; whoever has taken the lease over has done so already."""
    verdict = {**verdict, **run.facts}
    if run.interrupted:
        verdict = {**verdict, INTERRUPTED: True}
    try:
        note(run.engine, run.ticket, state=state, finished_at=run.clock(),
             verdict=json.dumps(verdict))  # fmt: skip
    except LeaseLostError as lost:
        log.warning("retrain %s: %s", run.retrain_id, lost)
    return Outcome(run.retrain_id, state, None, reason)


def _train_and_gate(run: _Run) -> Outcome:
    remotely = run.params.monitoring.retrain.mode == "github" and run.way.action == RETRAIN
    version, holdout = _train_remotely(run) if remotely else _train_here(run)
    challenger = load_bundle(run.settings.bundles_dir / version)
    gate, recalibrate = run.params.monitoring.gate.golden, run.params.monitoring.recalibrate
    golden = judge_golden(run.base, challenger, gate, recalibrate)
    verdict = unless_golden_refuses(_judge(run, holdout), golden, gate)
    return _conclude(run, version, verdict)


def _train_here(run: _Run) -> tuple[str, pd.DataFrame]:
    """The registered challenger, and the held-out rows with its recipe's answers."""
    work = run.settings.work_dir / run.retrain_id
    with working_copy(
        run.settings.project_dir, work, work.with_suffix(".log"), run.stop, run.lost
    ) as copy:
        champion_at = run.settings.bundles_dir / run.base.version
        deadline = run.params.monitoring.retrain.deadline_minutes * 60
        run.way.make(run.engine, copy, champion_at, run.base.schema, _mature(run), deadline)
        commit = copy.commit(
            f"{run.way.action.capitalize()} {run.retrain_id}", run.settings.project_dir.resolve(),
            f"refs/retrains/{run.retrain_id}",
        )  # fmt: skip
        made = {"made_at": run.clock().isoformat(), "host": platform.node(), "commit": commit,
                "python": platform.python_version()}  # fmt: skip
        source = copy.directory / BUNDLE
        version = register(run.engine, run.settings.bundles_dir, source, run.clock(), made)
        note(run.engine, run.ticket, state="trained", challenger_version=version)
        track(copy, commit)
        return version, pd.read_parquet(copy.directory / HOLDOUT)


def _train_remotely(run: _Run) -> tuple[str, pd.DataFrame]:
    """The same, by a workflow in GitHub Actions."""
    payload = {"retrain_id": run.retrain_id, "reason": run.reason[:MOST_REASON],
               "champion": run.champion.version,
               "until": _mature(run).isoformat()}  # fmt: skip
    minutes = run.params.monitoring.retrain.deadline_minutes
    with trained_remotely(
        run.settings, payload, partial(_found, run), patience(minutes, run.stop, run.lost)
    ) as work:
        made = {"made_at": run.clock().isoformat(), "host": "GitHub Actions", **run.facts}
        source = work / remote.BUNDLE
        version = register(run.engine, run.settings.bundles_dir, source, run.clock(), made)
        note(run.engine, run.ticket, state="trained", challenger_version=version)
        return version, pd.read_parquet(work / remote.HOLDOUT)


def _mature(run: _Run) -> datetime:
    """Outcomes of what was answered before are learned; younger ones are not like the others."""
    return run.clock() - timedelta(days=run.params.monitoring.estimate.mature_days)


def _found(run: _Run, url: str) -> None:
    """Write down where it trains at once: if this process dies, a person can look there."""
    run.facts[remote.RUN_URL] = url
    note(run.engine, run.ticket, verdict=json.dumps(run.facts))


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
    gate = run.params.monitoring.gate
    return judge(task, times, truths, old, new, gate, fresh[schema.categorical])


def _conclude(run: _Run, version: str, verdict: Verdict) -> Outcome:
    """Promote, unless somebody else has changed the champion meanwhile.

    Raises:
        LeaseLostError: another process has taken over.
    """
    now = run.clock()
    with write_transaction(run.engine) as connection:
        require_held(connection, run.ticket)
        current = champion(connection)
        known = family(connection, run.base.version)
        undisturbed = current is not None and current.version in known
        good = verdict.promote and undisturbed
        person = run.params.monitoring.promotion.mode == "person"
        state = (AWAITING if person else "promoted") if good else "rejected"
        reason = verdict.reason if undisturbed else "the champion changed while this one trained"
        if state == "promoted":
            actor = f"{run.way.action} {run.retrain_id}"
            promote(connection, version, actor=actor, reason=reason, now=now)
        if state == AWAITING:
            supersede(connection)
            reason = f"{reason}; it waits for: python -m contracts.registry promote {version}"
        write(connection, run.ticket, state=state, finished_at=now,
              verdict=json.dumps({**asdict(verdict), "reason": reason, **run.facts}))  # fmt: skip
    return Outcome(run.retrain_id, state, version, reason)


def retrain_after(
    engine: Engine,
    settings: Settings,
    params: Params,
    clock: Clock,
    check: Check,
    *,
    stop: threading.Event | None = None,
) -> Outcome | None:
    """Put what a check found to the governor; also that it found nothing becomes a row.

    Returns:
        How the retrain ended that it led to; None = it led to none.

    Raises:
        NoChampionError, BundleError: as run_retrain.
    """
    if check.decision.action == "retrain":
        trigger = of_check(check)
        try:
            return run_retrain(engine, settings, params, clock, trigger, stop=stop)
        except RefusedError as refused:
            log.info("no retrain after check %s: %s", check.check_id, refused)
            return None
    decline(engine, check, clock())
    return None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m monitoring.retrain", description=__doc__)
    parser.add_argument("now", nargs="?", choices=["now"], help="said or not, it starts at once")
    parser.add_argument("--reason", default="by hand", help="kept with the retrain")
    parser.add_argument(
        "--over-budget", action="store_true", help="also beyond policy.most_per_day and its like"
    )
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
        params = load_params(settings.params_file)
        asked = of_person(arguments.reason, leases.utc_now(), over_budget=arguments.over_budget)
        clean_up(engine, settings, leases.utc_now())
        outcome = run_retrain(engine, settings, params, leases.utc_now, asked, stop=stop)
    except RefusedError as refused:
        sys.exit(f"no: {refused}")
    except REFUSALS as error:
        sys.exit(str(error))
    sys.stdout.write(
        f"{outcome.state}: {outcome.challenger or 'no challenger'}: {outcome.reason}\n"
    )
    sys.exit(outcome.state == "failed")


if __name__ == "__main__":
    main()
