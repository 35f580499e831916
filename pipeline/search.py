"""Search over the candidates, judged by cross-validation on splits that fit the data."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import pandas as pd
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  # scikit-learn's switch
from sklearn.metrics import get_scorer
from sklearn.model_selection import HalvingRandomSearchCV, RandomizedSearchCV
from tqdm import tqdm

from contracts.losses import row_losses
from contracts.params import Params, Train
from contracts.schema import FeatureSchema
from pipeline.candidates import build, find
from pipeline.cluster import ADDRESS, search_backend
from pipeline.splits import Rows

Folds = list[tuple[Rows, Rows]]
HALVING_FACTOR = 3


@dataclass(frozen=True)
class Chosen:
    """The chosen draw of a search: enough to build the same unfitted model again."""

    candidate: str
    values: dict[str, Any]
    score: float
    calibration: str = "none"


def search(
    frame: pd.DataFrame, target: np.ndarray, schema: FeatureSchema, params: Params, folds: Folds
) -> tuple[Chosen, pd.DataFrame]:
    """Draw parameters per candidate and choose by mean score.

    Args:
        frame: model frame (n rows), oldest first.
        target: (n,) as frames.labels.
        folds: (learning rows, judging rows) of each fold.

    Returns:
        The choice; and one row per draw: candidate, values (JSON-able dict), mean_score,
        std_score (over folds; higher is better), rows (that it was judged on), complexity. Times
        are left out as they never repeat.
    """
    train = params.train
    draws = sum(_draws(train, name) for name in train.candidates)
    with tqdm(total=draws * len(folds), desc="search", unit="fit") as bar:
        tables = [
            _search_one(name, frame, target, schema, train, folds, bar.update)
            for name in train.candidates
        ]
    results = pd.concat(tables, ignore_index=True)
    return choose_draw(results, train), results


def choose_draw(results: pd.DataFrame, train: Train) -> Chosen:
    """The simplest draw, or the preferred candidate's best, that is not clearly worse.

    Clearly: by more than one standard error of the best draw's mean over folds (Breiman and
    others, Classification and Regression Trees, 1984, section 3.4.3). Draws that halving gave up
    early are not in question.
    """
    judged = results[results["rows"] == results["rows"].max()]
    best = judged.iloc[int(judged["mean_score"].argmax())]
    error = best["std_score"] / np.sqrt(train.search.folds - 1)
    near = judged[judged["mean_score"] >= best["mean_score"] - error]
    if train.search.prefer != "simplest":
        near = near[near["candidate"] == train.search.prefer]
    else:
        near = near[near["complexity"] == near["complexity"].min()]
    chosen = near.iloc[int(near["mean_score"].argmax())] if len(near) else best
    return Chosen(chosen["candidate"], chosen["values"], float(chosen["mean_score"]))


def make_scorer(scoring: str, schema: FeatureSchema) -> Callable[..., float]:
    """A scorer of scikit-learn; neg_log_loss is ours, which allows folds that lack a class."""
    if scoring != "neg_log_loss" or schema.target.task == "regression":
        scorer: Callable[..., float] = get_scorer(scoring)
        return scorer

    def negative_log_loss(model: Any, rows: pd.DataFrame, answers: np.ndarray) -> float:
        found = answer_rows(model, rows, schema)
        return -float(row_losses(schema.target.task, answers, found).mean())

    return negative_log_loss


def answer_rows(model: Any, rows: pd.DataFrame, schema: FeatureSchema) -> np.ndarray:
    """What a fitted model answers for a model frame, float64 (n, outputs).

    A class that the model has never seen has the probability 0.
    """
    if schema.target.task == "regression":
        return np.asarray(model.predict(rows), dtype=np.float64).reshape(-1, 1)
    found = np.zeros((len(rows), len(schema.target.classes)))
    found[:, model.classes_] = model.predict_proba(rows)
    return found


def _search_one(
    name: str,
    frame: pd.DataFrame,
    target: np.ndarray,
    schema: FeatureSchema,
    train: Train,
    folds: Folds,
    tick: Callable[[int], object],
) -> pd.DataFrame:
    grid = {f"model__{key}": values for key, values in train.candidates[name].items()}
    scorer = make_scorer(train.search.scoring, schema)

    def ticking(model: Any, rows: pd.DataFrame, answers: np.ndarray) -> float:
        tick(1)
        return float(scorer(model, rows, answers))

    model, far = build(name, schema, train, {}), ADDRESS in os.environ
    common = {"cv": folds, "random_state": train.seed, "refit": False, "error_score": "raise",
              "scoring": scorer if far else ticking, "n_jobs": -1 if far else None}  # fmt: skip
    if train.search.strategy == "halving":
        # "exhaust": the first round is as large as the last round's rows allow.
        halving = {"factor": HALVING_FACTOR, "min_resources": "exhaust"}
        draws = HalvingRandomSearchCV(
            model, grid, n_candidates=_draws(train, name), **halving, **common
        )
    else:
        draws = RandomizedSearchCV(model, grid, n_iter=_draws(train, name), **common)
    with search_backend(os.environ):
        found = draws.fit(frame, target).cv_results_
    if far:  # a bar does not travel to the workers
        tick(_draws(train, name) * len(folds))
    return _table(name, found, len(frame), schema)


def _table(name: str, found: Mapping[str, Any], rows: int, schema: FeatureSchema) -> pd.DataFrame:
    plain = [{k.removeprefix("model__"): v for k, v in p.items()} for p in found["params"]]
    measure = find(name, schema.target.task).complexity
    return pd.DataFrame(
        {
            "candidate": name,
            "values": plain,
            "mean_score": found["mean_test_score"],
            "std_score": found["std_test_score"],
            "rows": found.get("n_resources", rows),
            "complexity": [measure(values) for values in plain],
        }
    )


def _draws(train: Train, name: str) -> int:
    return min(train.search.iterations, prod(len(v) for v in train.candidates[name].values()))
