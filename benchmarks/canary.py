"""How often canaries of known quality are ended: `python -m benchmarks.canary` (docs/adr/0035).

Champion and challenger have learned from halves of January to March; noise on the challenger's
log-odds makes it worse. A canary begins on each later day, and is looked at every few hours.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.losses import row_losses
from contracts.monitoring_params import Canary, Recalibrate
from contracts.params import Params, load_params
from monitoring.canary_judge import Act, Seen, decide
from monitoring.canary_live import Live
from monitoring.recalibration import Labelled, follow
from monitoring.side_by_side import beside
from pipeline import flights
from pipeline.describe import infer_schema
from pipeline.prepare import prepare
from pipeline.search import Chosen
from pipeline.train import fit

UNTIL, PAST = "2013-04-01", np.timedelta64(28, "D")
NOISES = (0.0, 0.35, 0.5, 0.8, 1.2)  # standard deviation, in log-odds
STARTS = pd.date_range("2013-04-29", "2013-12-20", freq="D").to_numpy()
HEALTHY = Live(rows=10_000, champions=900, own=100, answered=100)
RECIPE = Chosen("logistic_regression", {"C": 0.1}, -0.5, "sigmoid")
Losses = NDArray[np.float64]


def _answers(params: Params, later: pd.DataFrame, year: pd.DataFrame) -> list[Losses]:
    """What both models answer, each (n, 2)."""
    learned = prepare([year[year.event_time < UNTIL].iloc[::3]], params)[0]
    schema = infer_schema(learned, params)
    half = np.random.default_rng(0).random(len(learned)) < 0.5
    models = [fit(RECIPE, learned[part], schema, params) for part in (half, ~half)]
    return [np.asarray(model.predict_proba(later[schema.names])) for model in models]


def _noisy(answers: Losses, spread: float) -> Losses:
    odds = np.log(answers[:, 1] / answers[:, 0])
    odds += np.random.default_rng(1).normal(0, spread, len(odds))
    positive = 1 / (1 + np.exp(-odds))
    return np.column_stack([1 - positive, positive])


def _losses(later: pd.DataFrame, answers: Losses, params: Recalibrate | None) -> Losses:
    truths = later.late.to_numpy(float)
    if params is not None:
        answers = follow(Labelled("binary", later.event_time, truths, answers), params)
    return row_losses("binary", truths, answers)


def _end(
    times: NDArray[np.datetime64],
    losses: Losses,
    added: Losses,
    start: np.datetime64,
    asked: Canary,
) -> tuple[Act, int]:
    """How the canary ended that began at `start`, and after how many hours."""
    first = np.searchsorted(times, start)
    past = slice(np.searchsorted(times, start - PAST), first)
    days = times[past].astype("datetime64[D]")
    daily = float(pd.Series(added[past]).groupby(days).mean().std())
    for hours in _looks(asked):
        known = hours - asked.mature_hours
        rows = slice(first, np.searchsorted(times, start + np.timedelta64(known, "h")))
        least = daily / np.sqrt(max(1.0, known / 24))
        if rows.stop - rows.start < 2:
            continue
        hourly = times[rows].astype("datetime64[h]")
        found = beside(losses[rows], added[rows], hourly, least)
        word = decide(Seen(float(hours), HEALTHY, found), asked.share, asked)
        if word.act != "wait":
            return word.act, hours
    raise AssertionError("most_hours decide")


def _looks(asked: Canary) -> Iterator[int]:
    yield from range(asked.mature_hours + 2, asked.hours, 2)
    yield from range(asked.hours, asked.most_hours + 4, 4)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.canary", description=__doc__)
    parser.add_argument("--hours", type=int, default=Canary().hours, help="%(default)s")
    asked = Canary(hours=parser.parse_args().hours)
    params, year = load_params(Path("params.yaml")), flights.read()
    later = year[(year.event_time >= UNTIL) & year.late.notna()].reset_index(drop=True)
    times = later.event_time.dt.tz_localize(None).to_numpy()
    champion, challenger = _answers(params, later, year)
    recalibrate = params.monitoring.recalibrate
    before = _losses(later, champion, recalibrate)
    for noise in NOISES:
        added = _losses(later, _noisy(challenger, noise), recalibrate) - before
        for every in (1, 10):
            some = slice(None, None, every)
            ends = [_end(times[some], before[some], added[some], day, asked) for day in STARTS]
            ended = sum(act == "end" for act, _ in ends) / len(ends)
            hours = np.median([after for _, after in ends])
            print(f"noise {noise}: costs {added.mean() / before.mean():.2%}; every {every}. flight:"
                  f" {ended:.1%} ended, {hours:.0f} hours, of {len(ends)}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
