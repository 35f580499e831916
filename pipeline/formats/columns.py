"""A fitted ColumnTransformer as steps on numbers and tables of codes, without texts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import Binarizer, FunctionTransformer, StandardScaler

from contracts.schema import FeatureSchema
from contracts.transformers import DATE_PARTS, DateParts
from pipeline.formats import FormatError
from pipeline.formats.tables import (
    Branch,
    Table,
    Vocabularies,
    find_vocabularies,
    steps_of,
    tabulate,
)


@dataclass(frozen=True)
class Fill:
    """NaN in column i becomes values[i]."""

    values: NDArray[np.float32]


@dataclass(frozen=True)
class Scale:
    """(x - mean) / scale."""

    mean: NDArray[np.float32]
    scale: NDArray[np.float32]


@dataclass(frozen=True)
class Above:
    """1 where x is above the threshold, else 0."""

    threshold: float


@dataclass(frozen=True)
class Dates:
    """Pairs of day and second become the parts of contracts.transformers.DateParts."""


Step = Fill | Scale | Above | Dates


@dataclass(frozen=True)
class Numbers:
    """Columns of the float matrix, and what is done to them one after another."""

    positions: tuple[int, ...]
    steps: tuple[Step, ...]

    @property
    def width(self) -> int:
        """Columns that come out."""
        dates = any(isinstance(step, Dates) for step in self.steps)
        return len(self.positions) // 2 * len(DATE_PARTS) if dates else len(self.positions)


@dataclass(frozen=True)
class Columns:
    """What the estimator sees: the parts' columns side by side; order[i] is part column i's place
    among the columns of the ColumnTransformer."""

    parts: tuple[Numbers | Table, ...]
    order: NDArray[np.int64]
    vocabularies: Vocabularies


def read_columns(transformer: Any, schema: FeatureSchema) -> Columns:
    """Translate a fitted ColumnTransformer.

    Raises:
        FormatError: a step has no form without texts; the message names it.
    """
    branches = list(_branches(transformer, schema))
    vocabularies = find_vocabularies(branches, schema)
    parts: list[Numbers | Table] = []
    order: list[int] = []
    for name, fitted, positions in branches:
        start = len(order)
        texts = [i - len(schema.matrix_columns) for i in positions]
        if min(texts) < 0 <= max(texts):
            raise FormatError(f"branch {name!r} mixes numbers and texts; split it in two")
        if max(texts) < 0:
            parts.append(Numbers(tuple(positions), tuple(_read_steps(fitted, name))))
            order += range(start, start + parts[-1].width)
            continue
        for table, places in tabulate(fitted, name, texts, vocabularies, schema):
            parts.append(table)
            order += [start + place for place in places]
    return Columns(tuple(parts), np.array(order, np.int64), vocabularies)


def _branches(transformer: Any, schema: FeatureSchema) -> Iterator[Branch]:
    """Name, fitted transformer and positions in the model frame of every branch that has any."""
    names = pd.Index([*schema.matrix_columns, *schema.categorical])
    for name, fitted, chosen in transformer.transformers_:
        by_name = not isinstance(chosen, slice) and np.asarray(chosen).dtype.kind in "OU"
        numbers = names.get_indexer(pd.Index(chosen)) if by_name else np.arange(len(names))[chosen]
        if len(numbers) and not (isinstance(fitted, str) and fitted == "drop"):
            yield name, fitted, numbers.tolist()


def _read_steps(fitted: Any, name: str) -> Iterator[Step]:
    for step in steps_of(fitted):
        if isinstance(step, SimpleImputer) and not step.add_indicator:
            values = np.asarray(step.statistics_, dtype=np.float32)
            if np.isnan(values).any():
                raise FormatError(f"branch {name!r}: the imputer drops columns without a value")
            yield Fill(values)
        elif isinstance(step, StandardScaler):
            nothing = np.zeros(step.n_features_in_)
            mean = nothing if step.mean_ is None else step.mean_
            scale = nothing + 1 if step.scale_ is None else step.scale_
            yield Scale(mean.astype(np.float32), scale.astype(np.float32))
        elif isinstance(step, Binarizer):
            yield Above(float(step.threshold))
        elif isinstance(step, DateParts):
            yield Dates()
        elif step != "passthrough" and not _does_nothing(step):
            raise FormatError(f"branch {name!r}: {type(step).__name__} has no form in this format")


def _does_nothing(step: Any) -> bool:
    return isinstance(step, FunctionTransformer) and step.func is None
