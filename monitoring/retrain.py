"""A retrain: snapshot the outcomes, `dvc repro` in a working copy, gate, register, promote.

`python -m monitoring.retrain now --reason "..."` starts one.
"""

import json
import logging
import threading
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Engine

from contracts.bundle import base_of, load_bundle
from contracts.bundle_files import BundleError
from contracts.database import write_transaction
from contracts.params import Params
from contracts.registry import champion, family
from contracts.schema import SchemaError
from contracts.settings import Settings
from monitoring import leases
from monitoring.attempts import (
    LEASE,
    LeaseLostError,
    RefusedError,
    begin,
    note,
    require_held,
    write,
)
from monitoring.challenge import BY_RETRAIN, Challenge, Clock, Way, make_challenger
from monitoring.check import Check, NoChampionError
from monitoring.gate import Verdict
from monitoring.github import GithubError
from monitoring.governor import Trigger
from monitoring.history import INTERRUPTED
from monitoring.patience import PatienceLostError
from monitoring.promotion import follow_yes, plan
from monitoring.snapshot import NoOutcomesError
from monitoring.training import GateFailedError
from monitoring.triggers import decline, of_check
from monitoring.verdict import judge_challenger
from monitoring.working_copy import CommandError

# For what happens around `dvc repro`, which alone has the deadline.
LEASE_MARGIN = timedelta(minutes=15)
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a retrain ended: promoted, canary, awaiting (a person's word), rejected or failed."""

    retrain_id: str
    state: str
    challenger: str | None
    reason: str


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
        run = Challenge(
            ticket, engine, settings, params, clock, bundle, base, seen, stop, lost, way
        )
        return _run(run)


def _run(run: Challenge) -> Outcome:
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


def _end(run: Challenge, state: str, reason: str, verdict: dict[str, Any]) -> Outcome:
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


def _train_and_gate(run: Challenge) -> Outcome:
    version, holdout = make_challenger(run)
    return _conclude(run, version, judge_challenger(run, version, holdout))


def _conclude(run: Challenge, version: str, verdict: Verdict) -> Outcome:
    """Do what follows a yes, unless somebody else has changed the champion meanwhile.

    Raises:
        LeaseLostError: another process has taken over.
    """
    now, planned = run.clock(), plan(run, version) if verdict.promote else None
    with write_transaction(run.engine) as connection:
        require_held(connection, run.ticket)
        current = champion(connection)
        known = family(connection, run.base.version)
        facts: dict[str, Any] = {}
        state, reason = "rejected", verdict.reason
        if current is None or current.version not in known:
            reason = "the champion changed while this one trained"
        elif verdict.promote:
            state, reason, facts = follow_yes(connection, run, version, planned, reason, now)
        told = {**asdict(verdict), "reason": reason, **run.facts, **facts}
        write(connection, run.ticket, state=state, finished_at=now, verdict=json.dumps(told))
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


if __name__ == "__main__":
    from monitoring.by_hand import retrain_now

    retrain_now()
