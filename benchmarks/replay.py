"""Replay the flights after the training period as live traffic, on their own clock.

`make replay`. Each flight is asked about at its scheduled hour and its outcome is posted once it
could be known; checks run on that clock, every `--check-days`; retrains run while traffic goes
on. Uses the stack that answers at PERENNIAL_HOST:PORT, or starts one of its own in var/replay.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
from sqlalchemy import Engine, select

from benchmarks.replay_months import Months, compare, read_live
from benchmarks.replay_page import SYSTEMS, as_text, write_page
from benchmarks.replay_run import replay
from benchmarks.results import write_result
from benchmarks.traffic import Tally, make_flights
from contracts.bundle import load_bundle
from contracts.database import make_engine
from contracts.migrate import migrate
from contracts.params import load_params
from contracts.registry import champion
from contracts.settings import Settings
from contracts.tables import retrains
from deploy.local import fresh_key, is_ready, publish, running, train, wait_until_ready
from monitoring.sampling import count_rows
from pipeline import flights as source

OWN = Path("var/replay")
CHOSEN = Path("build/chosen.json")
KEY_NAME = "make replay"


@contextmanager
def stack(settings: Settings) -> Iterator[tuple[Settings, str]]:
    """The running stack's settings and a key, or those of a fresh one for this replay only."""
    if is_ready(settings):
        print(f"using the stack at http://{settings.host}:{settings.port}")
        yield settings, _given_key(settings)
        return
    shutil.rmtree(OWN, ignore_errors=True)
    own = Settings(
        database_url=f"sqlite:///{OWN}/perennial.db",
        bundles_dir=OWN / "bundles",
        reports_dir=OWN / "reports",
        work_dir=OWN / "retrains",
        spool_dir=OWN / "spool",
        metrics_dir=OWN / "metrics",
    )
    print(f"no stack answers at http://{settings.host}:{settings.port}; starting one in {OWN}")
    train()
    engine = make_engine(own.database_url)
    migrate(engine)
    publish(engine, own, datetime.now(UTC))
    key = fresh_key(engine, KEY_NAME, datetime.now(UTC))
    # No scheduler: its clock is not the replay's, and it would take a year of flights for old ones.
    with running(own, "service") as processes:
        wait_until_ready(own, processes)
        yield own, key


def _given_key(settings: Settings) -> str:
    key = os.environ.get("PERENNIAL_API_KEY", "")
    if settings.access == "closed" and not key:
        sys.exit("make replay: set PERENNIAL_API_KEY to the key that `make run` has printed")
    return key


def count(engine: Engine, tally: Tally, months: Months, seconds: float) -> dict[str, Any]:
    """replay.json: the client's counts beside the database's."""
    start, end = _period(months)
    logged = set(read_live(engine, start, end).prediction_id)
    counted = ("recalibrations", "retrains", "promotions", "checks")
    total = {name: sum(m[name] for m in months) for name in counted}
    return {
        "requests_answered": len(tally.answered),
        "rows_logged": len(logged),
        "answered_but_not_logged": len(set(tally.answered) - logged),
        "failed_requests": len(tally.failures),
        "outcomes_accepted": tally.outcomes,
        "seconds": round(seconds),
        **total,
        "months": months,
    }


def judge(figures: dict[str, Any]) -> str:
    """One honest sentence on what following the outcomes was worth."""
    months: Months = figures["months"]
    rows = sum(m["outcomes"] for m in months)
    loss, auc = (
        {s: sum(m[measure][s] * m["outcomes"] for m in months) / rows for s in SYSTEMS}
        for measure in ("log_loss", "roc_auc")
    )
    verb = "better" if loss["live"] < loss["never"] else "NOT better"
    return (
        f"{figures['requests_answered']:,} requests answered, {figures['rows_logged']:,} rows "
        f"logged, {figures['answered_but_not_logged']} lost, {figures['failed_requests']} failed; "
        f"{figures['retrains']} retrains, {figures['promotions']} promotions, "
        f"{figures['recalibrations']} recalibrations. The live champion's log-loss is "
        f"{loss['live']:.4f}, {verb} than never touched ({loss['never']:.4f}); its ROC AUC (mean "
        f"of months) is {auc['live']:.4f} against {auc['never']:.4f}. The monthly oracle has "
        f"{loss['monthly']:.4f} and {auc['monthly']:.4f}."
    )


def _period(months: Months) -> tuple[pd.Timestamp, pd.Timestamp]:
    start = pd.Timestamp(f"{months[0]['month']}-01", tz="UTC")
    return start, pd.Timestamp(f"{months[-1]['month']}-01", tz="UTC") + pd.DateOffset(months=1)


def _retrain_rows(engine: Engine) -> list[dict[str, str]]:
    with engine.connect() as connection:
        found = connection.execute(select(retrains).order_by(retrains.c.started_at)).all()
    return [
        {
            "started": f"{row.started_at:%Y-%m-%d}",
            "state": row.state,
            "reason": row.reason,
            "verdict": json.loads(row.verdict).get("reason") or row.verdict,
        }
        for row in found
    ]


def _refuse_used(engine: Engine, flights: pd.DataFrame) -> None:
    start = flights.event_time.min().to_pydatetime()
    with engine.connect() as connection:
        found = count_rows(connection, start, start + timedelta(days=366))
    if found:
        sys.exit(
            f"make replay: the database already holds {found:,} predictions of this period; "
            "stop the stack, and `make replay` starts a fresh one of its own"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument(
        "--until", default="2013-11-01", help="replay flights before this day (UTC); %(default)s"
    )
    parser.add_argument(
        "--check-days", type=int, default=14, help="days between checks; %(default)s"
    )
    arguments = parser.parse_args()
    params = load_params(Path("params.yaml"))
    began = time.monotonic()
    table = source.read()
    table = table[table.event_time < pd.Timestamp(arguments.until, tz="UTC")]
    replayed = table[table.event_time >= pd.Timestamp(params.data.until, tz="UTC")]
    with stack(Settings()) as (settings, key):
        engine = make_engine(settings.database_url)
        _refuse_used(engine, replayed)
        with engine.connect() as connection:
            current = champion(connection)
        assert current is not None  # ready means that there is one
        first = load_bundle(settings.bundles_dir / current.version)
        questions = make_flights(replayed, first.schema.names)
        sending = replay(engine, settings, params, questions, arguments.check_days, key)
        tally = asyncio.run(sending)
        months = compare(engine, table, first, CHOSEN, params)
        figures = count(engine, tally, months, time.monotonic() - began)
        verdict = judge(figures)
        write_page(months, _retrain_rows(engine), verdict, settings.reports_dir)
    print(as_text(months), verdict, sep="\n\n")
    print(f"\nfigures: {write_result('replay', figures)}")
    print(f"page: {settings.reports_dir}/replay.html, linked from /reports")
    for failure in tally.failures[:5]:
        print("failed:", failure[:300])
    sys.exit(bool(tally.failures) or figures["answered_but_not_logged"] > 0)


if __name__ == "__main__":
    main()
