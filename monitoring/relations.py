"""Columns that no longer fit the others: what a small model makes of a number from its neighbours.

A changed mix of rows leaves these relations as they are; a changed unit, a shifted clock, swapped
or stuck columns do not. A day's mean error is compared with those of the days before, each foretold
by a model that has not seen it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from contracts.schema import FeatureSchema
from monitoring.beliefs import codes_of

MOST_ROWS = 3000  # of the days before, to learn from
FEWEST_ROWS = 100
FEWEST_A_DAY = 20
FOLDS = 2
# A column is broken if the second worst day of the window is beyond the worst before it by this
# factor, and beyond a usual one by this share of the column's standard deviation.
FACTOR = 1.5
LEAST_RISE = 0.1
_LEAST_ERROR = 0.05  # of a standard deviation: what is foretold better is not told apart from it
_TREES = {"max_iter": 30, "learning_rate": 0.2, "max_leaf_nodes": 8, "min_samples_leaf": 20}

Matrix = NDArray[np.float64]
Days = NDArray[np.int64]
Codes = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Table:
    """Rows as numbers, the days before the window and the window.

    Attributes:
        names: of the columns.
        numbers: which of them are no codes.
        past, window: (n, columns), NaN = missing or unknown.
        past_days, window_days: (n,).
    """

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    past: Matrix
    past_days: Days
    window: Matrix
    window_days: Days


@dataclass(frozen=True)
class Foretold:
    """A column as the others foretell it: of the days before, (n,), and of the window, (m,)."""

    past: Matrix
    window: Matrix


def make_table(
    schema: FeatureSchema,
    columns: Sequence[str],
    past: tuple[pd.DataFrame, Days],
    window: tuple[pd.DataFrame, Days],
    generator: np.random.Generator,
) -> Table:
    """Take at most MOST_ROWS of the rows before, and all of the window's.

    Args:
        columns: features that are no moments; one may be absent from the rows.
    """
    kept = np.sort(generator.permutation(len(past[0]))[:MOST_ROWS])
    before, days = past[0].iloc[kept], past[1][kept]
    codes = {n: codes_of(before[n]) for n in columns if n in schema.categorical and n in before}
    numbers = tuple(i for i, n in enumerate(columns) if n not in schema.categorical)
    return Table(tuple(columns), numbers, _matrix(columns, codes, before), days,
                 _matrix(columns, codes, window[0]), window[1])  # fmt: skip


def find_broken(table: Table, known: Sequence[int]) -> list[int]:
    """Columns of numbers that fit the others no longer.

    Args:
        known: columns that are broken by what they show alone; none is foretold from them.

    Returns:
        Those that were not known, the plainest first. A column that only fails because it was
        foretold from a broken one is not among them.
    """
    broken: list[int] = []
    suspects = [column for column in table.numbers if column not in known]
    while True:
        out = [*known, *broken]
        suspects = [c for c in suspects if _breaks(table, c, [*out, c])]
        if not suspects:
            return broken
        # Two that belong together both fail: the broken one fits what is left of the others worse.
        worst = max(suspects, key=lambda c: _misfit(table, c, [*out, *suspects]))
        broken.append(worst)
        suspects.remove(worst)


def foretell(table: Table, column: int, without: Sequence[int]) -> Foretold | None:
    """Foretell a column from all but some; None = too few rows have it, or nothing is left."""
    others = [c for c in range(len(table.names)) if c not in without and c != column]
    values = table.past[:, column]
    fold = np.unique(table.past_days, return_inverse=True)[1] % FOLDS
    past, window = np.full(len(values), np.nan), []
    for number in range(FOLDS):
        rows = ~np.isnan(values) & (fold != number)
        if rows.sum() < FEWEST_ROWS or not others:
            return None
        some = [c for c in others if not np.isnan(table.past[rows, c]).all()]  # trees need a value
        if not some:
            return None
        model = HistGradientBoostingRegressor(early_stopping=False, random_state=0, **_TREES)
        model.fit(table.past[rows][:, some], values[rows])
        past[fold == number] = model.predict(table.past[fold == number][:, some])
        window.append(model.predict(table.window[:, some]))
    return Foretold(past, np.mean(window, axis=0))


def _breaks(table: Table, column: int, without: Sequence[int]) -> bool:
    errors = _errors(table, column, without)
    if errors is None:
        return False
    before, after = errors
    second = float(np.sort(after)[-2])
    return bool(second > FACTOR * before.max() and second > np.median(before) + LEAST_RISE)


def _misfit(table: Table, column: int, without: Sequence[int]) -> float:
    errors = _errors(table, column, without)
    return 0.0 if errors is None else float(np.median(errors[1]) / np.median(errors[0]))


def _errors(table: Table, column: int, without: Sequence[int]) -> tuple[Matrix, Matrix] | None:
    """Mean error of each day, in standard deviations, before the window and in it."""
    found = foretell(table, column, without)
    values = table.past[:, column]
    spread = float(np.nanstd(values)) if found is not None else 0.0
    if found is None or not spread:
        return None
    before = _by_day(np.abs(values - found.past) / spread, table.past_days)
    after = _by_day(np.abs(table.window[:, column] - found.window) / spread, table.window_days)
    if len(before) < 2 or len(after) < 2:
        return None
    return np.maximum(before, _LEAST_ERROR), after


def _by_day(values: Matrix, days: Days) -> Matrix:
    kept = ~np.isnan(values)
    at = np.unique(days[kept], return_inverse=True)[1]
    counts = np.bincount(at)
    return np.asarray((np.bincount(at, values[kept]) / counts)[counts >= FEWEST_A_DAY])


def _matrix(columns: Sequence[str], codes: Codes, rows: pd.DataFrame) -> Matrix:
    found = np.full((len(rows), len(columns)), np.nan)
    for place, name in enumerate(columns):
        if name not in rows:
            continue
        if name in codes:
            texts = [codes[name].get(v) if isinstance(v, str) else None for v in rows[name]]
            found[:, place] = np.array(texts, float)
        else:
            numbers = pd.to_numeric(rows[name], errors="coerce")
            found[:, place] = numbers.to_numpy(float, na_value=np.nan)
    found[~np.isfinite(found)] = np.nan
    return found
