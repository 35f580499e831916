"""A retrain or an update that a person asks for: `python -m monitoring.retrain`, `... .update`."""

import argparse
import signal
import sys
import threading
from collections.abc import Callable

from sqlalchemy import Engine

from contracts.database import make_engine
from contracts.migrate import require_current
from contracts.params import load_params
from contracts.settings import Settings
from monitoring import leases, retrain, update
from monitoring.attempts import RefusedError
from monitoring.check import REFUSALS
from monitoring.recovery import clean_up
from monitoring.retrain import Outcome
from monitoring.triggers import of_person


def retrain_now() -> None:
    """The command of monitoring/retrain.py."""
    arguments = _arguments("retrain", retrain.__doc__)
    settings = Settings()
    sys.stdout.write(f"retraining, a minute or more; the log grows in {settings.work_dir}\n")
    sys.stdout.flush()
    _run(settings, arguments, retrain.run_retrain)


def update_now() -> None:
    """The command of monitoring/update.py."""
    _run(Settings(), _arguments("update", update.__doc__), update.run_update)


def _arguments(action: str, description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m monitoring.{action}", description=description)
    parser.add_argument("now", nargs="?", choices=["now"], help="said or not, it starts at once")
    parser.add_argument("--reason", default="by hand", help=f"kept with the {action}")
    parser.add_argument(
        "--over-budget", action="store_true", help="also beyond policy.most_per_day and its like"
    )
    return parser.parse_args()


def _run(settings: Settings, arguments: argparse.Namespace, run: Callable[..., Outcome]) -> None:
    stop = threading.Event()
    for how in (signal.SIGTERM, signal.SIGINT):
        signal.signal(how, lambda _signal, _frame: stop.set())
    try:
        engine = make_engine(settings.database_url, pooled=False)
        require_current(engine)
        outcome = _begin(engine, settings, arguments, run, stop)
    except RefusedError as refused:
        sys.exit(f"no: {refused}")
    except REFUSALS as error:
        sys.exit(str(error))
    challenger = outcome.challenger or "no challenger"
    sys.stdout.write(f"{outcome.state}: {challenger}: {outcome.reason}\n")
    sys.exit(outcome.state == "failed")


def _begin(
    engine: Engine,
    settings: Settings,
    arguments: argparse.Namespace,
    run: Callable[..., Outcome],
    stop: threading.Event,
) -> Outcome:
    params = load_params(settings.params_file)
    asked = of_person(arguments.reason, leases.utc_now(), over_budget=arguments.over_budget)
    clean_up(engine, settings, leases.utc_now())
    return run(engine, settings, params, leases.utc_now, asked, stop=stop)
