"""Windows of flights that something happens to, and what the product and Evidently say of each.

Each draw takes 35 days in a row: the window is the last seven, or seven random ones of them, and
the others, with their outcomes, are the days before it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.harm.evidently_beside import evidently_default
from benchmarks.harm.scenarios import LABEL, SCENARIOS, Scenario
from contracts.bundle import Bundle, Model, load_bundle
from contracts.losses import row_losses
from contracts.schema import FeatureSchema
from monitoring.hurt import Seen, weigh
from monitoring.repair import repair
from pipeline import flights

BUNDLE = Path("build/bundle")
HARMFUL = 0.01  # rise of the true mean loss
BLOCK, WINDOW = 35, 7  # days
EVERY = 3  # a third of the flights is enough, and soon done
TUNED = (pd.Timestamp("2013-04-01", tz="UTC"), pd.Timestamp("2013-07-01", tz="UTC"))
REPORTED = (pd.Timestamp("2013-07-01", tz="UTC"), pd.Timestamp("2014-01-01", tz="UTC"))

Matrix = NDArray[np.float64]
Figures = dict[str, Any]


@dataclass(frozen=True)
class World:
    """Flights that the default model has not learned, with its answers, row by row.

    Attributes:
        days: (n,) since 1970.
    """

    bundle: Bundle
    model: Model
    rows: pd.DataFrame
    days: NDArray[np.int64]
    answers: Matrix

    @property
    def schema(self) -> FeatureSchema:
        return self.bundle.schema

    def seen(self, places: NDArray[np.intp]) -> Seen:
        rows = self.rows.iloc[places]
        return Seen(rows, self.days[places], self.answers[places], rows[LABEL].to_numpy(float))


def make_world(bundle: Bundle) -> World:
    rows = flights.read()
    rows = rows[(rows.event_time >= TUNED[0]) & rows[LABEL].notna()].iloc[::EVERY]
    rows = rows.reset_index(drop=True)
    seconds = rows.event_time.astype("datetime64[s, UTC]").astype(np.int64).to_numpy()
    model = bundle.model()
    answers = model.answers(*bundle.schema.to_matrices(rows)).astype(float)
    return World(bundle, model, rows, np.asarray(seconds // 86_400), answers)


# Whether Evidently calls half of the columns drifted, and whether any, given the rows before the
# window and its own.
Beside = Callable[[pd.DataFrame, pd.DataFrame], tuple[bool, bool]]
Work = tuple[int, int, bool]  # number of a scenario, draw, whether Evidently judges it too


@cache
def _world() -> World:
    """Once a process."""
    return make_world(load_bundle(BUNDLE))


def judge_work(work: Work) -> Figures:
    """What is said of one draw."""
    number, draw, judged_beside = work
    world, scenario = _world(), SCENARIOS[number]
    inside = _places_between(world, *(TUNED if scenario.tuned else REPORTED))
    generator = np.random.default_rng([number, draw])
    past, window = _draw(world, inside, draw % 2 == 1, generator)
    beside = partial(evidently_default, world.schema) if judged_beside else None
    return _judge(world, scenario, past, window, beside, generator) | {"draw": draw}


def _places_between(world: World, start: pd.Timestamp, end: pd.Timestamp) -> NDArray[np.intp]:
    times = world.rows.event_time
    return np.flatnonzero((times >= start) & (times < end))


def _draw(
    world: World, inside: NDArray[np.intp], last: bool, generator: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Places of the rows before the window, and of the window."""
    days = world.days[inside]
    different = np.unique(days)
    start = generator.integers(0, len(different) - BLOCK + 1)
    block = different[start : start + BLOCK]
    chosen = block[-WINDOW:] if last else generator.choice(block, WINDOW, replace=False)
    window = np.isin(days, chosen)
    return inside[np.isin(days, block) & ~window], inside[window]


def _judge(
    world: World,
    scenario: Scenario,
    earlier: NDArray[np.intp],
    window: NDArray[np.intp],
    beside: Beside | None,
    generator: np.random.Generator,
) -> Figures:
    schema = world.schema
    before, unchanged = world.seen(earlier), world.seen(window)
    rows = scenario.into(unchanged.rows.assign(place=np.arange(len(window))), generator)
    kept = rows.pop("place").to_numpy()
    truths = rows[LABEL].to_numpy(float)
    answers = world.model.answers(*schema.to_matrices(rows)).astype(float)
    usual = row_losses("binary", unchanged.truths[kept], unchanged.answers[kept])
    rise = float(np.mean(row_losses("binary", truths, answers) - usual))
    share, some = (None, None) if beside is None else beside(before.rows, rows)
    days = unchanged.days[kept]
    repaired = repair(schema, schema.names, (before.rows, before.days), (rows, days), generator)
    verdicts = {
        name: weigh(world.model, schema, before, Seen(rows, days, answers, outcomes), repaired)
        for name, outcomes in (("with_outcomes", truths), ("without_outcomes", np.empty(0)))
    }
    return {
        "scenario": scenario.name,
        "kind": scenario.kind,
        "tuned": scenario.tuned,
        "rise": rise,
        "harmful": rise >= HARMFUL,
        **{name: harm.verdict == "harmful" for name, harm in verdicts.items()},
        "signs": [(sign.what, round(sign.amount, 4), sign.z and round(sign.z, 2))
                  for sign in verdicts["with_outcomes"].signs],
        "broken": dict(verdicts["with_outcomes"].broken or {}),
        "cost": verdicts["with_outcomes"].cost,
        "expected": verdicts["without_outcomes"].cost,
        "evidently_share": share,
        "evidently_any": some,
    }  # fmt: skip
