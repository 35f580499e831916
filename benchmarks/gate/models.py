"""Recipes of challengers: rows -> a function that answers rows. All fits are the pipeline's own."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from contracts.params import Params
from contracts.schema import FeatureSchema
from pipeline.frames import model_frame
from pipeline.search import Chosen, answer_rows
from pipeline.train import fit


@dataclass(frozen=True)
class Task:
    """What every fit needs."""

    schema: FeatureSchema
    params: Params
    chosen: Chosen


Answer = Callable[[pd.DataFrame], np.ndarray]  # rows -> float64 (n, 2)
Recipe = Callable[[Task, pd.DataFrame], Answer]


def searched(task: Task, rows: pd.DataFrame) -> Answer:
    """As the pipeline does it."""
    model = fit(task.chosen, rows, task.schema, task.params)
    return lambda asked: answer_rows(model, model_frame(asked, task.schema), task.schema)


def only_days(days: int) -> Recipe:
    """Learns from the newest days alone."""

    def recipe(task: Task, rows: pd.DataFrame) -> Answer:
        times = rows[task.schema.timestamp]
        return searched(task, rows[times > times.max() - pd.Timedelta(days=days)])

    return recipe


def without(*names: str) -> Recipe:
    """Knows less than it could: these features say nothing."""

    def blind(rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(**{name: np.float32(0) for name in names})

    def recipe(task: Task, rows: pd.DataFrame) -> Answer:
        answer = searched(task, blind(rows))
        return lambda asked: answer(blind(asked))

    return recipe


def same_answer(task: Task, rows: pd.DataFrame) -> Answer:
    """Answers the share of late flights that it was taught, whatever it is asked."""
    late = float(rows[task.schema.target.name].mean())
    return lambda asked: np.tile([1 - late, late], (len(asked), 1))


def overconfident(factor: float) -> Recipe:
    """Multiplies its own log-odds."""

    def recipe(task: Task, rows: pd.DataFrame) -> Answer:
        answer = searched(task, rows)

        def sure(asked: pd.DataFrame) -> np.ndarray:
            powers = answer(asked) ** factor
            shares: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
            return shares

        return sure

    return recipe
