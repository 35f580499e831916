"""Lets the champion go on learning by `partial_fit`: a challenger in seconds, gated as any other.

`python -m monitoring.update now --reason "..."` does so at once; the scheduler does it by
params.monitoring.update. docs/updates.md says when it is worth it.
"""

import argparse
import signal
import sys
import threading
from dataclasses import replace

from sqlalchemy import Connection, Engine

from contracts.bundle import Bundle, base_of, load_bundle
from contracts.database import make_engine, write_transaction
from contracts.migrate import require_current
from contracts.monitoring_params import Update
from contracts.params import Params, load_params
from contracts.registry import champion
from contracts.settings import Settings
from monitoring import decisions, leases
from monitoring.attempts import RefusedError
from monitoring.challenge import Clock
from monitoring.check import REFUSALS, NoChampionError
from monitoring.erasure import wanted_retrain
from monitoring.governor import UPDATE, Answer, Trigger
from monitoring.recalibrate import hindrance
from monitoring.recovery import clean_up
from monitoring.retrain import Outcome, run_retrain
from monitoring.triggers import of_person
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
    if hindered := hindrance(connection):
        return hindered
    if not rows:
        return (
            f"nothing new to learn: the champion has learned until {span.after:%Y-%m-%d}, and "
            f"outcomes from {span.held:%Y-%m-%d} on are held back to judge by"
        )
    return None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m monitoring.update", description=__doc__)
    parser.add_argument("now", nargs="?", choices=["now"], help="said or not, it starts at once")
    parser.add_argument("--reason", default="by hand", help="kept with the update")
    parser.add_argument(
        "--over-budget", action="store_true", help="also beyond policy.most_per_day and its like"
    )
    arguments = parser.parse_args()
    settings, stop = Settings(), threading.Event()
    for how in (signal.SIGTERM, signal.SIGINT):
        signal.signal(how, lambda _signal, _frame: stop.set())
    try:
        engine = make_engine(settings.database_url)
        require_current(engine)
        params = load_params(settings.params_file)
        asked = of_person(arguments.reason, leases.utc_now(), over_budget=arguments.over_budget)
        clean_up(engine, settings, leases.utc_now())
        outcome = run_update(engine, settings, params, leases.utc_now, asked, stop=stop)
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
