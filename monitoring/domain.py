"""Whether a model can tell the window's rows from the reference's, and by which columns.

A classifier two-sample test (Lopez-Paz and Oquab 2017, arXiv 1610.06545) sees what no column shows
alone: values that no longer belong beside each other. Rows of one day share its weather, so a day
is judged by models that have not seen it, and the area under the curve is compared with those of
runs of the reference's own days against its others, which are above one half as well.

It explains and decides nothing: so few runs of days show no small p-value.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from contracts.schema import FeatureSchema
from monitoring.beliefs import codes_of

MOST_ROWS = 1500  # of each side
MOST_COLUMNS = 20  # the first ones given
FOLDS = 3
RUNS = 6  # of the reference's own days, for comparison
FEWEST_DAYS = 3  # of each side
TOLD = 3
_LEAST_DROP = 0.005  # of the area, without a column, to name it
_TREES = {"max_iter": 25, "learning_rate": 0.2, "max_leaf_nodes": 8, "min_samples_leaf": 20}

Matrix = NDArray[np.float64]
Places = NDArray[np.intp]


@dataclass(frozen=True)
class Apart:
    """How well the window can be told from the reference.

    Attributes:
        auc: area under the curve; 0.5 = not at all.
        usual: the highest of the reference's own runs of days; at or below it nothing is unusual.
        columns: by which it is told, the most telling first, and how much area each is worth.
    """

    auc: float
    usual: float
    columns: dict[str, float]

    def __str__(self) -> str:
        found = f"a classifier tells the window from the reference with a ROC AUC of {self.auc:.2f}"
        if self.auc <= self.usual:
            return f"{found}; days of the reference among themselves reach {self.usual:.2f}"
        by = f", by {', '.join(self.columns)}" if self.columns else ""
        return f"{found}{by}; days of the reference among themselves reach {self.usual:.2f}"


def tell_apart(
    schema: FeatureSchema,
    columns: Sequence[str],
    reference: tuple[pd.DataFrame, NDArray[np.int64]],
    window: tuple[pd.DataFrame, NDArray[np.int64]],
    generator: np.random.Generator,
) -> Apart | None:
    """Try to tell the window from the reference.

    Args:
        columns: features to look at, the most important first.
        reference, window: rows and the day (or hour) of each; a feature may be absent.
        generator: samples rows, and shuffles columns.

    Returns:
        None: too few days on a side, or no column.
    """
    known = set(schema.names) - set(schema.datetimes)
    looked = [name for name in columns if name in known][:MOST_COLUMNS]
    if not looked or min(len(np.unique(days)) for _, days in (reference, window)) < FEWEST_DAYS:
        return None
    codes = {n: codes_of(reference[0][n]) for n in looked if n in schema.categorical}
    before, after = (
        (_matrix(looked, codes, rows.iloc[kept]), days[kept])
        for rows, days in (reference, window)
        for kept in [_sample(len(rows), generator)]
    )
    auc, drops = _auc(*before, *after, generator, explain=True)
    usual = [
        _auc(before[0][~inside], before[1][~inside], before[0][inside], before[1][inside],
             generator)[0]
        for inside in _runs(before[1], len(np.unique(after[1])))
    ]  # fmt: skip
    ranked = sorted(zip(looked, drops, strict=True), key=lambda each: -each[1])
    telling = {n: round(float(drop), 4) for n, drop in ranked[:TOLD] if drop >= _LEAST_DROP}
    return Apart(round(auc, 4), round(max(usual, default=0.5), 4), telling)


def _sample(rows: int, generator: np.random.Generator) -> Places:
    return np.sort(generator.permutation(rows)[:MOST_ROWS])


def _matrix(columns: Sequence[str], codes: dict[str, dict[str, int]], rows: pd.DataFrame) -> Matrix:
    found = np.full((len(rows), len(columns)), np.nan)
    for place, name in enumerate(columns):
        if name not in rows:
            continue
        if name in codes:
            texts = rows[name].map(lambda value: isinstance(value, str)).astype(bool)
            coded = rows[name].where(texts).map(codes[name])
            found[:, place] = coded.mask(texts & coded.isna(), -1).to_numpy(float, na_value=np.nan)
        else:
            numbers = pd.to_numeric(rows[name], errors="coerce")
            found[:, place] = numbers.to_numpy(float, na_value=np.nan)
    return found


def _auc(
    before: Matrix,
    before_days: NDArray[np.int64],
    after: Matrix,
    after_days: NDArray[np.int64],
    generator: np.random.Generator,
    *,
    explain: bool = False,
) -> tuple[float, Matrix]:
    """Mean over the folds, and what shuffling each column takes off it."""
    rows = np.concatenate([before, after])
    side = np.repeat([0, 1], [len(before), len(after)])
    fold = np.concatenate([_folds(before_days), _folds(after_days)])
    areas, drops = [], np.zeros(rows.shape[1])
    for number in range(FOLDS):
        judged = fold == number
        some = np.flatnonzero(~np.isnan(rows[~judged]).all(axis=0))  # trees need a value
        held, truth = rows[judged][:, some], side[judged]
        if not len(some):
            areas.append(0.5)
            continue
        model = HistGradientBoostingClassifier(
            early_stopping=False, random_state=0, class_weight="balanced", **_TREES
        ).fit(rows[~judged][:, some], side[~judged])
        areas.append(roc_auc_score(truth, model.predict_proba(held)[:, 1]))
        for place, column in enumerate(some if explain else ()):
            shuffled = held.copy()
            shuffled[:, place] = held[generator.permutation(len(held)), place]
            area = roc_auc_score(truth, model.predict_proba(shuffled)[:, 1])
            drops[column] += (areas[-1] - area) / FOLDS
    return float(np.mean(areas)), drops


def _folds(days: NDArray[np.int64]) -> Places:
    """Every third day together, so that each fold has days of both sides."""
    return np.asarray(np.unique(days, return_inverse=True)[1] % FOLDS)


def _runs(days: NDArray[np.int64], length: int) -> list[NDArray[np.bool_]]:
    """Runs of neighbouring days, as long as the window, spread over the reference."""
    different = np.unique(days)
    last = len(different) - length
    if last < FEWEST_DAYS:
        return []
    starts = np.unique(np.linspace(0, last, RUNS).astype(int))
    return [np.isin(days, different[start : start + length]) for start in starts]
