"""What one retrain knows, and how it comes to a challenger: here, or in GitHub Actions."""

import json
import platform
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pandas as pd
from sqlalchemy import Engine

from contracts.bundle import Bundle
from contracts.monitoring_params import Policy
from contracts.params import Params
from contracts.registry import register
from contracts.schema import FeatureSchema
from contracts.settings import Settings
from monitoring import remote
from monitoring.attempts import Ticket, note
from monitoring.history import RETRAIN
from monitoring.patience import patience
from monitoring.training import track, train
from monitoring.working_copy import WorkingCopy, working_copy

MOST_REASON = 1000  # characters that are sent elsewhere
BUNDLE, HOLDOUT = Path("build/bundle"), Path("build/holdout.parquet")

Clock = Callable[[], datetime]


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
class Challenge:
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


def make_challenger(run: Challenge) -> tuple[str, pd.DataFrame]:
    """Train a challenger and register it.

    Returns:
        Its version, and the held-out rows with its recipe's answers.

    Raises:
        GateFailedError: the pipeline's own gate refused it.
        CommandError, NoOutcomesError, GithubError, PatienceLostError: there is none.
        LeaseLostError: another process has taken over.
    """
    remotely = run.params.monitoring.retrain.mode == "github" and run.way.action == RETRAIN
    return _train_remotely(run) if remotely else _train_here(run)


def _train_here(run: Challenge) -> tuple[str, pd.DataFrame]:
    work = run.settings.work_dir / run.retrain_id
    with working_copy(
        run.settings.project_dir, work, work.with_suffix(".log"), run.stop, run.lost
    ) as copy:
        champion_at = run.settings.bundles_dir / run.base.version
        deadline = run.params.monitoring.retrain.deadline_minutes * 60
        # An update has its own measure of when outcomes are mature.
        until = _mature(run) if run.way.action == RETRAIN else run.clock()
        run.way.make(run.engine, copy, champion_at, run.base.schema, until, deadline)
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


def _train_remotely(run: Challenge) -> tuple[str, pd.DataFrame]:
    """The same, by a workflow in GitHub Actions."""
    payload = {"retrain_id": run.retrain_id, "reason": run.reason[:MOST_REASON],
               "champion": run.champion.version,
               "until": _mature(run).isoformat()}  # fmt: skip
    minutes = run.params.monitoring.retrain.deadline_minutes
    with remote.trained_remotely(
        run.settings, payload, partial(_found, run), patience(minutes, run.stop, run.lost)
    ) as work:
        made = {"made_at": run.clock().isoformat(), "host": "GitHub Actions", **run.facts}
        source = work / remote.BUNDLE
        version = register(run.engine, run.settings.bundles_dir, source, run.clock(), made)
        note(run.engine, run.ticket, state="trained", challenger_version=version)
        return version, pd.read_parquet(work / remote.HOLDOUT)


def _mature(run: Challenge) -> datetime:
    """Outcomes of what was answered before are learned; younger ones are not like the others."""
    return run.clock() - timedelta(days=run.params.monitoring.estimate.mature_days)


def _found(run: Challenge, url: str) -> None:
    """Write down where it trains at once: if this process dies, a person can look there."""
    run.facts[remote.RUN_URL] = url
    note(run.engine, run.ticket, verdict=json.dumps(run.facts))
