"""Randomised search over the candidates, judged by time-series cross-validation."""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import get_scorer
from sklearn.model_selection import RandomizedSearchCV, TimeSeriesSplit
from tqdm import tqdm

from contracts.params import Train
from contracts.schema import FeatureSchema
from pipeline.candidates import build


@dataclass(frozen=True)
class Chosen:
    """The chosen draw of a search: enough to build the same unfitted model again."""

    candidate: str
    values: dict[str, float | int]
    score: float


def search(
    frame: pd.DataFrame, target: np.ndarray, schema: FeatureSchema, train: Train
) -> tuple[Chosen, pd.DataFrame]:
    """Draw parameters per candidate and choose by mean score.

    Args:
        frame: model frame (n rows), oldest first.
        target: int (n,), 1 = positive class.

    Returns:
        The choice; and one row per draw: candidate, values (JSON-able dict), mean_score,
        std_score (over folds; higher is better), fit_seconds is left out as it never repeats.
    """
    draws = sum(_draws(train, name) for name in train.candidates)
    with tqdm(total=draws * train.search.folds, desc="search", unit="fit") as bar:
        tables = [
            _search_one(name, frame, target, schema, train, bar.update) for name in train.candidates
        ]
    results = pd.concat(tables, ignore_index=True)
    return choose_draw(results, train), results


def choose_draw(results: pd.DataFrame, train: Train) -> Chosen:
    """The best draw of the preferred candidate, unless another one is clearly better.

    Clearly: by more than one standard error of the best draw's mean over folds (Breiman and
    others, Classification and Regression Trees, 1984, section 3.4.3).
    """
    best = results.iloc[int(results.mean_score.argmax())]
    error = best.std_score / np.sqrt(train.search.folds - 1)
    preferred = results[results.candidate == train.search.prefer]
    near = preferred[preferred.mean_score >= best.mean_score - error]
    chosen = near.iloc[int(near.mean_score.argmax())] if len(near) else best
    return Chosen(chosen.candidate, chosen["values"], float(chosen.mean_score))


def _search_one(
    name: str,
    frame: pd.DataFrame,
    target: np.ndarray,
    schema: FeatureSchema,
    train: Train,
    tick: Callable[[], object],
) -> pd.DataFrame:
    grid = {f"model__{key}": values for key, values in train.candidates[name].items()}
    scorer = get_scorer(train.search.scoring)

    def ticking(model: Any, rows: pd.DataFrame, answers: np.ndarray) -> float:
        tick()
        return float(scorer(model, rows, answers))

    draws = RandomizedSearchCV(
        build(name, schema, train.seed, {}),
        grid,
        n_iter=_draws(train, name),
        scoring=ticking,
        cv=TimeSeriesSplit(train.search.folds),
        random_state=train.seed,
        refit=False,
        error_score="raise",
    ).fit(frame, target)
    plain = [{k.removeprefix("model__"): v for k, v in p.items()}
             for p in draws.cv_results_["params"]]  # fmt: skip
    return pd.DataFrame(
        {
            "candidate": name,
            "values": plain,
            "mean_score": draws.cv_results_["mean_test_score"],
            "std_score": draws.cv_results_["std_test_score"],
        }
    )


def _draws(train: Train, name: str) -> int:
    return min(train.search.iterations, prod(len(v) for v in train.candidates[name].values()))
