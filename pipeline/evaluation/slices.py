"""A feature cut into slices that a person can name: quartiles, categories, missing."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from contracts.schema import Feature
from pipeline.evaluation.holdout import Floats, Integers
from pipeline.evaluation.texts import plain, short_number

MOST_CATEGORIES = 20
MOST_VALUES = 10  # a number with so few values is cut into them
BOOLEANS = {0.0: "false", 1.0: "true"}


@dataclass(frozen=True)
class Slicing:
    """`codes` (n,) is the number of each row's slice; `texts` says what each slice is."""

    codes: Integers
    texts: tuple[str, ...]


def slice_feature(column: pd.Series, feature: Feature) -> Slicing:
    """Cut a prepared column: numbers and moments at their quartiles, texts into categories.

    Only the MOST_CATEGORIES most frequent categories are slices of their own, and missing values
    are one, too.
    """
    name = plain(feature.name)
    if feature.kind == "categorical":
        return _by_category(column, name)
    moments = feature.kind == "datetime"
    values = _seconds(column) if moments else column.to_numpy(np.float64, na_value=np.nan)
    present = values[~np.isnan(values)]
    distinct = np.unique(present)
    if len(distinct) <= MOST_VALUES and not moments:
        labels = BOOLEANS if feature.kind == "boolean" else {}
        texts = [f"{name} = {labels.get(v, short_number(v))}" for v in distinct.tolist()]
        return _with_missing(np.searchsorted(distinct, values), texts, np.isnan(values), name)
    edges = np.unique(np.quantile(present, [0.25, 0.5, 0.75])) if len(present) else np.empty(0)
    shown = [moment_text(edge) if moments else short_number(edge) for edge in edges.tolist()]
    codes = np.searchsorted(edges, values, side="right")
    return _with_missing(codes, _ranges(name, shown), np.isnan(values), name)


def _by_category(column: pd.Series, name: str) -> Slicing:
    missing = (column.isna() | (column == "")).to_numpy(bool)
    codes, values = pd.factorize(column.astype(object))
    counts = np.bincount(codes[~missing], minlength=len(values))
    order = sorted(range(len(values)), key=lambda i: (-counts[i], str(values[i])))
    frequent = order[:MOST_CATEGORIES]
    numbers = np.full(len(values) + 1, len(frequent))  # one more for missing
    numbers[frequent] = np.arange(len(frequent))
    texts = [f"{name} = {plain(values[i])}" for i in frequent]
    return _with_missing(numbers[codes], [*texts, f"{name} = any other"], missing, name)


def _with_missing(codes: Integers, texts: list[str], missing: np.ndarray, name: str) -> Slicing:
    numbers = np.where(missing, len(texts), codes).astype(np.int64)
    return Slicing(numbers, (*texts, f"{name} is missing"))


def _ranges(name: str, edges: list[str]) -> list[str]:
    if not edges:
        return [f"{name} is there"]
    between = [f"{low} ≤ {name} < {high}" for low, high in zip(edges, edges[1:], strict=False)]
    return [f"{name} < {edges[0]}", *between, f"{name} ≥ {edges[-1]}"]


def _seconds(column: pd.Series) -> Floats:
    naive = column.dt.tz_convert("UTC").dt.tz_localize(None) if column.dt.tz else column
    moments = naive.to_numpy("datetime64[s]")
    return np.where(np.isnat(moments), np.nan, moments.astype(np.int64).astype(np.float64))


def moment_text(second: float) -> str:
    """A moment in UTC, of seconds since 1970; its time only where it has one."""
    moment = pd.Timestamp(round(second), unit="s")
    return moment.strftime("%Y-%m-%d" if moment == moment.normalize() else "%Y-%m-%d %H:%M")
