"""How far answers of honest and of sabotaged challengers are from the champion's on the same rows.

`python -m benchmarks.beside`: what the limits of probation's early signs stand on, before outcomes
(docs/adr/0034). Fits are those of benchmarks/gate; a challenger answers the two weeks after its
promotion, and every day of them is judged as a look of probation would.
"""

import argparse
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.gate.__main__ import AGE, CHOSEN, DATES, make_world
from benchmarks.gate.models import Answer, Task
from benchmarks.gate.sabotage import HONEST, KINDS, Sabotage
from benchmarks.gate.trials import World
from benchmarks.results import write_result
from contracts.losses import row_losses
from contracts.monitoring_params import EstimateLimits, ShiftLimits
from contracts.recalibration import shift
from monitoring.beside import judge_shift, measure_shift
from monitoring.recalibration import Labelled, propose
from monitoring.yardstick import estimate_losses, judge_estimate

DAY = pd.Timedelta(days=1)
DAYS = 14
EVERY = 4  # of the flights that are learned; all of them are answered
BEFORE = 32 * DAY  # what the champion's offset is judged on


def looks(world: World, dates: "pd.DatetimeIndex") -> Iterator[dict[str, Any]]:
    """One entry a day, challenger and champion."""
    first = _learn(world, world.fed_from, HONEST)
    for at in dates:
        champions = {"the first": first, "28 days old": _learn(world, at - AGE, HONEST)}
        recent = world.between(at - BEFORE, at)
        answers = {name: _with_offset(world, recent, model, at) for name, model in
                   champions.items()}  # fmt: skip
        for kind in (HONEST, *KINDS):
            challenger = _learn(world, at, kind)
            for name, champion in answers.items():
                facts = {"at": f"{at:%Y-%m-%d}", "kind": kind.name, "champion": name}
                for day in _days(world, at, champion, challenger):
                    yield facts | day


def _learn(world: World, at: pd.Timestamp, kind: Sabotage) -> Answer:
    rows = world.between(None, at).iloc[::EVERY].reset_index(drop=True)
    fed = (rows[world.task.schema.timestamp] >= world.fed_from).to_numpy()
    rng = np.random.default_rng([int(at.timestamp()), len(kind.name)])
    return kind.recipe(world.task, kind.spoil(rows, fed, rng))


def _with_offset(world: World, recent: pd.DataFrame, model: Answer, at: pd.Timestamp) -> Answer:
    """The champion as it answers last: recalibrated."""
    schema, params = world.task.schema, world.params.monitoring.recalibrate
    if params is None:
        return model
    task = schema.target.task
    labelled = Labelled(task, recent[schema.timestamp], _truths(world.task, recent), model(recent))
    offsets = propose(labelled, (), at, params).offsets
    return lambda rows: shift(task, model(rows), offsets)


def _days(
    world: World, at: pd.Timestamp, champion: Answer, challenger: Answer
) -> Iterator[dict[str, Any]]:
    task, golden = world.task.schema.target.task, world.golden
    rows = world.between(at, at + DAYS * DAY)
    on_golden = champion(golden), challenger(golden)
    known = _truths(world.task, golden)
    before, now, truths = champion(rows), challenger(rows), _truths(world.task, rows)
    losses = [row_losses(task, truths, each) for each in (before, now)]
    days = ((rows[world.task.schema.timestamp] - at) // DAY).to_numpy()
    for day in np.unique(days):
        own = days == day
        found = measure_shift(task, before[own], now[own])
        estimated = estimate_losses(task, known, on_golden, (before[own], now[own]))
        old, new = estimated or (1.0, 1.0)
        signs = (
            judge_shift(task, found, ShiftLimits()),
            judge_estimate(old, new, found.rows, EstimateLimits()),
        )
        yield {"rows": found.rows, "mean": found.mean, "variation": found.variation,
               "rank": 1.0 if found.rank is None else found.rank, "cost": (new - old) / old,
               "added": new - old, "realised": float((losses[1] - losses[0])[own].mean()),
               "shifted": signs[0].worse, "costly": signs[1].worse}  # fmt: skip


def _truths(task: Task, rows: pd.DataFrame) -> np.ndarray:
    return task.schema.target.truths(rows[task.schema.target.name].tolist())


def as_table(found: pd.DataFrame) -> str:
    """Markdown, a line a kind: the extremes over days, and the share of days that roll back."""
    lines = ["| challenger | days | mean, at most | variation, at most | rank, at least | "
             "estimated cost, median | at most | realised loss added | shift: days beyond | "
             "estimate: days beyond |", "|" + "---|" * 10]  # fmt: skip
    for kind in dict.fromkeys(found.kind):
        own = found[found.kind == kind]
        lines.append(
            f"| {kind} | {len(own)} | {own['mean'].abs().max():.2f} | {own.variation.max():.2f} | "
            f"{own['rank'].min():.2f} | {own.cost.median():+.1%} | {own.cost.max():+.1%} | "
            f"{own.realised.mean():+.3f} | {own.shifted.mean():.0%} | {own.costly.mean():.0%} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.beside", description=__doc__)
    parser.add_argument("--dates", type=int, default=len(DATES), help="of promotions, from May on")
    arguments = parser.parse_args()
    if not CHOSEN.exists():
        parser.error("no recipe; `dvc repro` first")
    began = time.perf_counter()
    dates = DATES[: arguments.dates]
    total = len(dates) * 2 * (1 + len(KINDS)) * DAYS
    found = pd.DataFrame(tqdm(looks(make_world(1), dates), "beside", total, unit="day"))
    agree = float(np.corrcoef(found.added, found.realised)[0, 1])
    print(as_table(found))
    print(f"estimated and realised loss added by day correlate by {agree:.2f}; "
          f"it took {(time.perf_counter() - began) / 60:.0f} minutes")  # fmt: skip
    figures = {"correlation": agree, "days": json.loads(found.to_json(orient="records"))}
    print(f"figures: {write_result('bench-beside', figures)}")


if __name__ == "__main__":
    main()
