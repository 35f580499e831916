"""One trial: a champion and a challenger before the product's gate, and the month that followed."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.gate.models import Answer, Recipe, Task
from benchmarks.gate.sabotage import Sabotage
from contracts.losses import row_losses
from contracts.params import Params
from monitoring.gate import Verdict, judge, unless_golden_refuses
from monitoring.golden import compare_golden, other_rows
from monitoring.recalibration import Labelled, follow
from monitoring.reliance import find_forgotten
from pipeline.splits import backtest_folds

DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class World:
    """The flights as the product would hold them at any time.

    Attributes:
        rows: prepared, of the whole year, without golden ones.
        golden: as the bundle carries them.
        fed_from: rows from here on came through the API.
    """

    task: Task
    rows: pd.DataFrame
    golden: pd.DataFrame
    fed_from: pd.Timestamp

    @property
    def params(self) -> Params:
        return self.task.params

    @property
    def times(self) -> pd.Series:
        return self.rows[self.task.schema.timestamp]

    def between(self, start: pd.Timestamp | None, end: pd.Timestamp) -> pd.DataFrame:
        inside = (self.times < end) & ((self.times >= start) if start is not None else True)
        return self.rows[inside].reset_index(drop=True)


@dataclass(frozen=True)
class Champion:
    """A model that answers at a date.

    Attributes:
        until: what it has learned from was before.
        loss: of a row in the month that followed the date, recalibrated as it would have been.
    """

    name: str
    answer: Answer
    until: pd.Timestamp
    loss: float


def learn(world: World, until: pd.Timestamp, recipe: Recipe) -> Answer:
    """A model of all the past, or of what the recipe makes of it."""
    return recipe(world.task, world.between(None, until))


def serve(
    world: World, name: str, answer: Answer, until: pd.Timestamp, at: pd.Timestamp
) -> Champion:
    return Champion(name, answer, until, _month_loss(world, answer, at))


def trials(
    world: World, at: pd.Timestamp, kind: Sabotage, champions: list[Champion]
) -> Iterator[dict[str, Any]]:
    """What the gate says of one challenger beside each champion, and what was true."""
    asked = {"asked_t": world.params.monitoring.gate.min_t}
    rng = np.random.default_rng([int(at.timestamp()), len(kind.name)])
    honest = world.between(None, at)
    fed = (honest[world.task.schema.timestamp] >= world.fed_from).to_numpy()
    rows = kind.spoil(honest, fed, rng)
    holdout = _backtest(world, rows, kind.recipe)
    challenger = kind.recipe(world.task, rows)
    loss = _month_loss(world, challenger, at)
    for champion in champions:
        verdict = _gate(world, kind, champion, challenger, holdout)
        yield {"at": f"{at:%Y-%m-%d}", "kind": kind.name, "champion": champion.name,
               "gained": champion.loss - loss, "verdict": asdict(verdict) | asked}  # fmt: skip


def _backtest(world: World, rows: pd.DataFrame, recipe: Recipe) -> pd.DataFrame:
    """The pipeline's hold-out: its folds, each answered by the recipe on the rows before."""
    schema, judged = world.task.schema, []
    for past, future in backtest_folds(rows, schema, world.params):
        answers = recipe(world.task, rows.iloc[past])(rows.iloc[future])
        judged.append(rows.iloc[future].assign(**dict(zip(schema.answers, answers.T, strict=True))))
    return pd.concat(judged).sort_values(schema.timestamp, kind="stable", ignore_index=True)


def _gate(
    world: World, kind: Sabotage, champion: Champion, challenger: Answer, holdout: pd.DataFrame
) -> Verdict:
    """As monitoring/retrain.py asks it."""
    schema, monitoring = world.task.schema, world.params.monitoring
    fresh = holdout[holdout[schema.timestamp] >= champion.until].reset_index(drop=True)
    times = fresh[schema.timestamp]
    truths = schema.target.truths(fresh[schema.target.name].tolist())
    answers = champion.answer(fresh), fresh[schema.answers].to_numpy(float)
    old, new = (_followed(world, times, truths, each) for each in answers)
    categories = fresh[schema.categorical]
    task = schema.target.task
    verdict = judge(task, times, truths, old, new, monitoring.gate, categories)
    golden, gate = world.golden, monitoring.gate.golden
    if kind.in_prepare:
        nothing_fed = np.zeros(len(golden), dtype=bool)
        spoiled = kind.spoil(golden, nothing_fed, np.random.default_rng(0))
        if (refused := other_rows(golden, spoiled)) is not None:
            return unless_golden_refuses(verdict, refused, gate)
    found = compare_golden(schema, golden, champion.answer(golden), challenger(golden), gate,
                           monitoring.recalibrate)  # fmt: skip
    forgotten = find_forgotten(schema, golden, champion.answer, challenger, gate.reliance,
                               np.random.default_rng(0))  # fmt: skip
    return unless_golden_refuses(verdict, replace(found, forgotten=forgotten), gate)


def _followed(
    world: World, times: pd.Series, truths: np.ndarray, answers: np.ndarray
) -> np.ndarray:
    """As recalibration would have answered."""
    params = world.params.monitoring.recalibrate
    task = world.task.schema.target.task
    return answers if params is None else follow(Labelled(task, times, truths, answers), params)


def _month_loss(world: World, answer: Answer, at: pd.Timestamp) -> float:
    """Log-loss a row in the month that followed, by the outcomes as they were."""
    schema = world.task.schema
    rows = world.between(at - 4 * DAY, at + pd.offsets.MonthBegin(1))  # offsets need days before
    times = rows[schema.timestamp]
    truths = schema.target.truths(rows[schema.target.name].tolist())
    inside = (times >= at).to_numpy()
    followed = _followed(world, times, truths, answer(rows))
    return float(row_losses(schema.target.task, truths[inside], followed[inside]).mean())
