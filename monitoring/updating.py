"""Makes a challenger that is the champion gone on: in a working copy, from newer outcomes only."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, Engine, func, select

from contracts.bundle import Bundle, copy_bundle, load_bundle
from contracts.monitoring_params import Monitoring, Update
from contracts.schema import FeatureSchema
from contracts.tables import outcomes, predictions
from monitoring.challenge import BUNDLE, HOLDOUT, Way
from monitoring.governor import UPDATE
from monitoring.snapshot import write_snapshot
from monitoring.training import CHAMPION, VERDICT, run_gated
from monitoring.working_copy import WorkingCopy

LEARNED = Path("data/updates")
GATE_SECONDS = 300


@dataclass(frozen=True)
class Span:
    """An update learns outcomes after `after` and before `held`; until `end` it is judged."""

    after: datetime
    held: datetime
    end: datetime


def span_of(base: Bundle, now: datetime, params: Update) -> Span:
    """The newest `judged_days` whole days are held back, and what is not mature does not count."""
    end = now - timedelta(hours=params.mature_hours)
    held = (end - timedelta(days=params.judged_days)).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    return Span(datetime.fromisoformat(base.manifest["trained_until"]), held, end)


def count_outcomes(connection: Connection, start: datetime, end: datetime) -> tuple[int, int]:
    """Predictions after `start` and before `end` that have an outcome, and their days."""
    times = predictions.c.event_time
    found = (
        select(
            func.count(outcomes.c.prediction_id.distinct()), func.count(func.date(times).distinct())
        )
        .join(predictions, predictions.c.prediction_id == outcomes.c.prediction_id)
        .where(times > start, times < end)
    )
    rows, days = connection.execute(found).one()
    return rows, days


def way_of(monitoring: Monitoring, params: Update) -> Way:
    """How run_retrain makes an update; the cool-down is that of updates."""
    policy = monitoring.policy.model_copy(update={"cooldown_days": params.cooldown_days})
    return Way(UPDATE, partial(_make, params), policy)


def _make(
    params: Update,
    engine: Engine,
    copy: WorkingCopy,
    champion: Path,
    schema: FeatureSchema,
    now: datetime,
    deadline_seconds: float,
) -> None:
    """Freeze the new outcomes, let the champion learn them, and ask the pipeline's own gate.

    Raises:
        GateFailedError: that gate refused it.
        CommandError: there is nothing to learn, or something failed.
        NoOutcomesError: there is no outcome at all.
    """
    copy_bundle(champion, copy.directory / CHAMPION)
    span = span_of(load_bundle(champion), now, params)
    with engine.connect() as connection:
        directory = copy.directory / LEARNED
        snapshot = write_snapshot(connection, schema, span.end, directory, span.after)
    copy.run("dvc", "add", "--quiet", str(LEARNED / snapshot.name))  # as a retrain's is kept
    base, results = CHAMPION / champion.name, ("--bundle", str(BUNDLE), "--holdout", str(HOLDOUT))
    copy.run(
        "python", "-m", "pipeline.update", "--base", str(base), "--outcomes",
        str(LEARNED / snapshot.name), "--until", span.held.isoformat(), *results,
        deadline_seconds=deadline_seconds,
    )  # fmt: skip
    run_gated(
        copy, "python", "-m", "pipeline.gate", *results, "--champion", str(CHAMPION),
        "--verdict", str(VERDICT), deadline_seconds=GATE_SECONDS,
    )  # fmt: skip
