"""The window's rows as they would have come, had no column broken: what a change is measured by.

Each broken column is put back where the days before had it: a number's rank among the rows for
which the other columns foretell about the same, at the value of that rank before; a code under
the name that its rows had. Whatever else is special about the window stays as it is, and so the
model's loss on the rows as they came and on those repaired differs by what the break costs, on the
same rows with the same outcomes.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from contracts.profiles import Bins
from contracts.schema import FeatureSchema
from monitoring.codes import known_again
from monitoring.inputs import feature_bins
from monitoring.relations import Table, find_broken, foretell, make_table
from monitoring.unlike import unlike_before

GROUPS = 10  # of rows for which the others foretell about the same
LEAST_FILLED = 0.05  # of a column's codes drawn by chance: no other is foretold from it
FEWEST_VALUES = 5  # of a group before the window; else all of them

Rows = tuple[pd.DataFrame, NDArray[np.int64]]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Repaired:
    """The window's rows, repaired.

    Attributes:
        broken: column -> what is wrong with it, in words; empty = nothing was found.
    """

    rows: pd.DataFrame
    broken: dict[str, str]


def repair(
    schema: FeatureSchema,
    columns: Sequence[str],
    past: Rows,
    window: Rows,
    generator: np.random.Generator,
) -> Repaired:
    """Find the columns that broke between the days before and the window, and put them right.

    Args:
        columns: features to look at.
        past, window: rows and the day of each; a feature may be absent from the window's.
        generator: picks rows, breaks ties, and fills what is missing.
    """
    looked = [name for name in columns if name not in schema.datetimes and name in past[0]]
    bins = [one for one in feature_bins(past[0], schema) if one.name in looked]
    rows = window[0].reindex(columns=[*window[0], *(n for n in looked if n not in window[0])])
    strange = unlike_before(bins, past, (rows, window[1]))
    broken = {name: f"missing, new or out of range in {share:.0%} of the rows"
              for name, share in strange.items()}  # fmt: skip
    texts = [one.name for one in bins if not one.ordered]
    known = [looked.index(name) for name in strange]
    for name in texts:
        if name in strange:
            rows, _ = _rename(name, _sound(bins, broken), past[0], rows)
            if _new(past[0][name], rows[name]).mean() < LEAST_FILLED:
                known.remove(looked.index(name))  # the others may be foretold from it again
            rows = rows.assign(**{name: _fill(past[0][name], rows[name], generator)})
    table = make_table(schema, looked, past, (rows, window[1]), generator)
    found = find_broken(table, known)
    mixed: dict[str, str] = {}
    for name in texts:
        if name not in strange:
            sound = _sound(bins, {*broken, *mixed, *(looked[c] for c in found)})
            rows, number = _rename(name, sound, past[0], rows)
            mixed |= {name: f"{number} codes stand for others"} if number else {}
    if mixed and found:  # a number may only have failed because it was foretold from mixed codes
        table = make_table(schema, looked, past, (rows, window[1]), generator)
        found = find_broken(table, known)
    broken |= mixed | {looked[c]: "it fits the other columns no longer" for c in found}
    outside = [*known, *found]
    for column in (c for c in outside if looked[c] not in texts):
        rows = rows.assign(**{looked[column]: _put_back(table, column, outside, generator)})
    return Repaired(rows, broken)


def _sound(bins: Sequence[Bins], broken: Collection[str]) -> list[Bins]:
    return [one for one in bins if one.name not in broken]


def _rename(
    name: str, bins: Sequence[Bins], past: pd.DataFrame, rows: pd.DataFrame
) -> tuple[pd.DataFrame, int]:
    names = known_again(name, [one for one in bins if one.name != name], past, rows)
    values = [names.get(v, v) if isinstance(v, str) else v for v in rows[name]]
    return (rows.assign(**{name: values}) if names else rows), len(names)


def _new(before: pd.Series, values: pd.Series) -> NDArray[np.bool_]:
    """Which of the codes the days before did not have, and which are missing though few were."""
    known = {value for value in before if isinstance(value, str)}
    usual = np.mean([not isinstance(value, str) for value in before])
    missing = np.array([not isinstance(value, str) for value in values])
    if missing.mean() <= usual:
        return np.array([isinstance(v, str) and v not in known for v in values])
    return np.array([not isinstance(v, str) or v not in known for v in values])


def _fill(before: pd.Series, values: pd.Series, generator: np.random.Generator) -> pd.Series:
    """Values that should not be there become some of the days before."""
    found, filled = values.to_numpy(object).copy(), _new(before, values)
    found[filled] = generator.choice(before.to_numpy(object), int(filled.sum()))
    return pd.Series(found, values.index, dtype=object)


def _put_back(
    table: Table, column: int, broken: Sequence[int], generator: np.random.Generator
) -> Matrix:
    """A broken column of numbers, (n,): each value's rank in its group at the past's value."""
    before, values = table.past[:, column], table.window[:, column].copy()
    foretold = foretell(table, column, [*broken, column])
    known = ~np.isnan(before)
    if not known.any():
        return values
    if foretold is None:
        past, window = np.zeros(len(before), int), np.zeros(len(values), int)
    else:
        cuts = np.unique(np.quantile(foretold.past[known], np.arange(1, GROUPS) / GROUPS))
        past, window = (np.searchsorted(cuts, each) for each in (foretold.past, foretold.window))
    missing = np.isnan(values)
    lost = 1 - (1 - known.mean()) / max(missing.mean(), 1e-9)  # share of them that were not before
    fill = missing & (generator.random(len(values)) < lost)
    for group in np.unique(window):
        source = before[known & (past == group)]
        source = source if len(source) >= FEWEST_VALUES else before[known]
        here = np.flatnonzero((window == group) & ~missing)
        ranks = np.lexsort((generator.random(len(here)), values[here])).argsort()
        shares = (ranks + 0.5) / max(len(here), 1)
        values[here] = np.quantile(source, shares, method="inverted_cdf")
        gaps = np.flatnonzero((window == group) & fill)
        values[gaps] = generator.choice(source, len(gaps))
    return values
