"""Whether the gate of retrains stops what is wrong and lets pass what is better: `make bench-gate`.

Champions and challengers are fits of the pipeline's recipe on a sample of the flights; the gate is
the product's own. A challenger is judged on the 28 days before a date, and what is true of it by
the month after it. Settings were chosen on May to July (outcomes of April to June).
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from benchmarks.gate.models import Task, only_days, searched, without
from benchmarks.gate.sabotage import HONEST, KINDS
from benchmarks.gate.tables import as_tables, missed, summarise
from benchmarks.gate.trials import World, learn, serve, trials
from benchmarks.results import write_result
from contracts.params import Params, load_params
from pipeline import flights
from pipeline.describe import infer_schema
from pipeline.flights import WEATHER
from pipeline.prepare import prepare_all
from pipeline.search import Chosen

CHOSEN = Path("build/chosen.json")
DATES = pd.date_range("2013-05-01", "2013-12-01", freq="MS", tz="UTC")
QUICKER = {"learning_rate": 0.08, "max_iter": 60}  # for 160 steps of 0.03: larger, fewer
FOLDS = 2  # of the hold-out: each costs every challenger a fit
AGE = pd.Timedelta(days=28)


def make_world(every: int) -> World:
    """Every so-many-th flight of the year, and all golden ones."""
    shipped = load_params(Path("params.yaml")).model_dump(mode="json")
    shipped["evaluate"]["folds"] = FOLDS
    params = Params.model_validate(shipped)
    until = pd.Timestamp(params.data.until, tz="UTC")
    year = flights.read()
    past = year.event_time < until
    prepared = prepare_all([year[past], year[~past]], params)
    rows = prepared.frame.iloc[::every].reset_index(drop=True)
    recipe = json.loads(CHOSEN.read_text())["recipe"] | {"calibration": "none"}
    recipe["values"] |= QUICKER
    task = Task(infer_schema(rows, params), params, Chosen(**recipe))
    return World(task, rows, prepared.golden, until)


def run(world: World, dates: "pd.DatetimeIndex") -> Iterator[dict[str, Any]]:
    """Every trial: sabotaged challengers beside two champions, honest ones beside four."""
    start = world.fed_from
    first, blind = (learn(world, start, recipe) for recipe in (searched, without(*WEATHER)))
    for at in dates:
        ago = at - AGE
        champions = [
            serve(world, "the first", first, start, at),
            serve(world, "28 days old", learn(world, ago, searched), ago, at),
        ]
        poor = [
            serve(world, "the first, without weather", blind, start, at),
            serve(world, "28 days old, of one week", learn(world, ago, only_days(7)), ago, at),
        ]
        yield from trials(world, at, HONEST, [*champions, *poor])
        for kind in KINDS:
            yield from trials(world, at, kind, champions)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parser.add_argument("--every", type=int, default=4, help="flights: one of so many is used")
    parser.add_argument("--dates", type=int, default=len(DATES), help="of retrains, from May on")
    arguments = parser.parse_args()
    if not CHOSEN.exists():
        sys.exit("no recipe; `dvc repro` first")
    began = time.perf_counter()
    dates = DATES[: arguments.dates]
    total = len(dates) * (4 + 2 * len(KINDS))
    found = list(tqdm(run(make_world(arguments.every), dates), "gate", total, unit="trial"))
    summary = summarise(found)
    figures = {"summary": summary, "seconds": round(time.perf_counter() - began),
               "trials": found}  # fmt: skip
    print(as_tables(figures))
    print(f"figures: {write_result('bench-gate', figures)}")
    if bars := missed(summary):
        sys.exit("missed: " + "; ".join(bars))


if __name__ == "__main__":
    main()
