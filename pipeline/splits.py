"""Which rows learn and which judge, by what the table has: time, groups, classes or nothing."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)

from contracts.params import Evaluate, Params
from contracts.schema import GROUP, FeatureSchema
from pipeline.frames import DatasetError, labels

Rows = np.ndarray  # int64 positions

REFERENCE_FOLDS = 5
RUN_DAYS = 5  # of days that one reference fold judges together


def holdout_rows(frame: pd.DataFrame, schema: FeatureSchema, params: Params) -> np.ndarray:
    """bool (n,): True for rows that no choice may see; by time these are the newest days.

    Raises:
        DatasetError: nothing would be left to learn from.
    """
    if params.data.split == "time":
        times = frame[schema.timestamp]
        return (times >= _holdout_start(times, params.evaluate)).to_numpy()
    parts = max(2, round(1 / params.evaluate.holdout_share))
    held = np.zeros(len(frame), dtype=bool)
    held[next(_shuffled(frame, schema, params, parts))[1]] = True
    return held


def search_folds(
    frame: pd.DataFrame, schema: FeatureSchema, params: Params
) -> list[tuple[Rows, Rows]]:
    """Folds of a search as (learning rows, judging rows); by time, the judging rows are later."""
    folds = params.train.search.folds
    if params.data.split == "time":
        return list(TimeSeriesSplit(folds).split(frame))
    return list(_shuffled(frame, schema, params, folds))


def backtest_folds(
    frame: pd.DataFrame, schema: FeatureSchema, params: Params
) -> Iterator[tuple[Rows, Rows]]:
    """Cut the held-out rows into folds, each with the rows that a model judging it may learn from.

    By time these are the rows before it (rolling origin), otherwise all rows outside of it.
    """
    held = np.flatnonzero(holdout_rows(frame, schema, params))
    if params.data.split == "time":
        yield from _rolling(frame[schema.timestamp], params.evaluate)
        return
    everything = np.arange(len(frame))
    asked = frame.iloc[held]
    folds = params.evaluate.folds
    if params.data.split == "stratified":  # a rare class may have few held-out rows
        folds = max(2, min(folds, int(np.bincount(labels(asked, schema)).min())))
    for _, judged in _shuffled(asked, schema, params, folds):
        yield np.setdiff1d(everything, held[judged]), held[judged]


def reference_folds(
    frame: pd.DataFrame, schema: FeatureSchema, params: Params
) -> list[tuple[Rows, Rows]]:
    """Cut all rows into REFERENCE_FOLDS as (other rows, judged rows).

    By time a fold is several runs of whole days, so that each judged run has neighbours on both
    sides, and every fold has every season that the table has.

    Raises:
        DatasetError: a single day has no other to learn from.
    """
    if params.data.split == "time":
        return _runs_of_days(frame[schema.timestamp])
    folds = REFERENCE_FOLDS
    if params.data.split == "stratified":  # a rare class may have few rows
        folds = max(2, min(folds, int(np.bincount(labels(frame, schema)).min())))
    return list(_shuffled(frame, schema, params, folds))


def calibration_folds(schema: FeatureSchema, params: Params) -> Any:
    """How a calibrated model splits its own rows: blocks of time, or classes evenly."""
    if params.data.split == "time":
        return KFold(params.train.calibration_folds)
    return StratifiedKFold(params.train.calibration_folds)


def _holdout_start(times: pd.Series, evaluate: Evaluate) -> pd.Timestamp:
    """Midnight (UTC) from which the newest `holdout_days` days are held out."""
    days = evaluate.holdout_days
    start: pd.Timestamp = times.max().normalize() - pd.Timedelta(days=days - 1)
    if not (times < start).any():
        raise DatasetError(f"evaluate.holdout_days: {days} days leave no earlier row to learn from")
    return start


def _rolling(times: pd.Series, evaluate: Evaluate) -> Iterator[tuple[Rows, Rows]]:
    start = _holdout_start(times, evaluate)
    step = pd.Timedelta(days=evaluate.holdout_days) / evaluate.folds
    for i in range(evaluate.folds):
        begin, end = start + i * step, start + (i + 1) * step
        future = np.flatnonzero((times >= begin) & (times < end))
        if len(future):
            yield np.flatnonzero(times < begin), future


def _runs_of_days(times: pd.Series) -> list[tuple[Rows, Rows]]:
    days, day = np.unique(times.dt.floor("D").to_numpy(), return_inverse=True)
    if len(days) < 2:
        raise DatasetError("all rows are of one day; no other is left to learn from")
    runs = day // min(RUN_DAYS, -(-len(days) // REFERENCE_FOLDS))
    fold = runs % min(REFERENCE_FOLDS, runs.max() + 1)
    return [
        (np.flatnonzero(fold != number), np.flatnonzero(fold == number))
        for number in range(fold.max() + 1)
    ]


def _shuffled(
    frame: pd.DataFrame, schema: FeatureSchema, params: Params, folds: int
) -> Iterator[tuple[Rows, Rows]]:
    seed, classes = params.train.seed, schema.target.task != "regression"
    answers = labels(frame, schema)
    if params.data.split == "grouped":
        groups = frame[GROUP].to_numpy()
        if pd.Series(groups).nunique() < folds:
            raise DatasetError(f"data.id: fewer than {folds} groups; they cannot be split")
        splitter: Any = StratifiedGroupKFold if classes else GroupKFold
        return iter(
            splitter(folds, shuffle=True, random_state=seed).split(frame, answers, groups=groups)
        )
    splitter = StratifiedKFold if params.data.split == "stratified" else KFold
    _require_class_rows(answers, params, folds)
    return iter(splitter(folds, shuffle=True, random_state=seed).split(frame, answers))


def _require_class_rows(answers: np.ndarray, params: Params, folds: int) -> None:
    if params.data.split != "stratified":
        return
    fewest = np.unique(answers, return_counts=True)[1].min()
    if fewest < folds:
        raise DatasetError(
            f"a class has only {fewest} rows where {folds} folds need one each; use fewer folds, "
            "or move the class to data.ignored_classes"
        )
