"""Lets the champion go on learning by `partial_fit`: a challenger in seconds, gated as any other.

`python -m monitoring.update now --reason "..."` does so at once; the scheduler does it by
params.monitoring.update. docs/updates.md says when it is worth it.
"""

import threading
from dataclasses import replace

from sqlalchemy import Connection, Engine

from contracts.bundle import Bundle, base_of, load_bundle
from contracts.database import write_transaction
from contracts.monitoring_params import Update
from contracts.params import Params
from contracts.registry import champion
from contracts.settings import Settings
from monitoring import decisions
from monitoring.attempts import RefusedError
from monitoring.challenge import Clock
from monitoring.check import NoChampionError
from monitoring.erasure import wanted_retrain
from monitoring.governor import UPDATE, Answer, Trigger
from monitoring.hindrance import hindrance
from monitoring.retrain import Outcome, run_retrain
from monitoring.updating import Span, count_outcomes, span_of, way_of


def run_update(
    engine: Engine,
    settings: Settings,
    params: Params,
    clock: Clock,
    trigger: Trigger,
    *,
    stop: threading.Event | None = None,
) -> Outcome:
    """Ask whether the champion can and may go on, and run one update to its end.

    It has a row of `retrains` as a retrain has, and the lease, the gates and probation of one.

    Raises:
        NoChampionError, BundleError: as run_retrain.
        RefusedError: something stands against it; why is also a row of `decisions`.
    """
    update = params.monitoring.update or Update()
    with engine.connect() as connection:
        current = champion(connection)
        if current is None:
            raise NoChampionError
        base = base_of(load_bundle(settings.bundles_dir / current.version), settings.bundles_dir)
        span = span_of(base, clock(), update)
        rows, _ = count_outcomes(connection, span.after, span.held)
        _, days = count_outcomes(connection, span.after, span.end)
        refusal = _refusal(connection, base, span, rows)
    if refusal is not None:
        with write_transaction(engine) as connection:
            decisions.record(connection, trigger, Answer(False, refusal), clock(), action=UPDATE)
        raise RefusedError(refusal)
    counted = replace(trigger, outcomes=rows, outcome_days=days)
    way = way_of(params.monitoring, update)
    return run_retrain(engine, settings, params, clock, counted, stop=stop, way=way)


def _refusal(connection: Connection, base: Bundle, span: Span, rows: int) -> str | None:
    """What the governor does not know of; None = it is its turn."""
    learner = base.skops_model().learner
    if not hasattr(learner, "partial_fit"):
        return (
            f"the champion's model is a {type(learner).__name__}, which has no partial_fit: put "
            "`sgd` among train.candidates, let train.search.prefer name it, and retrain"
        )
    if owed := wanted_retrain(connection):
        return f"a retrain is owed, {owed}; an update would keep what it is to forget"
    if hindered := hindrance(connection, span.after):
        return hindered
    if not rows:
        return (
            f"nothing new to learn: the champion has learned until {span.after:%Y-%m-%d}, and "
            f"outcomes from {span.held:%Y-%m-%d} on are held back to judge by"
        )
    return None


if __name__ == "__main__":
    from monitoring.by_hand import update_now

    update_now()
