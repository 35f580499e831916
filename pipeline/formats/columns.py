"""A fitted ColumnTransformer without texts: categories become codes, encoders become tables.

Every encoder of texts looks at one column at a time, so running it once on each known category,
and on one that it has never seen, yields all that it can ever answer.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import Binarizer, FunctionTransformer, StandardScaler

from contracts.schema import MISSING_CATEGORY, FeatureSchema
from contracts.transformers import DATE_PARTS, DateParts
from pipeline.formats import FormatError

UNSEEN = 0  # code of every text that is in no vocabulary
Vocabularies = dict[str, tuple[str, ...]]  # the code of a text is its place, counted from 1


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
class Table:
    """What one column of codes becomes: row i holds the columns that code i is turned into."""

    position: int  # of the categorical feature
    values: NDArray[np.float64]  # (codes, columns)

    @property
    def width(self) -> int:
        """Columns that come out."""
        return int(self.values.shape[1])


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
    vocabularies = _find_vocabularies(branches, schema)
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
        for table, places in _tabulate(fitted, name, texts, vocabularies, schema):
            parts.append(table)
            order += [start + place for place in places]
    return Columns(tuple(parts), np.array(order, np.int64), vocabularies)


def _branches(transformer: Any, schema: FeatureSchema) -> Iterator[tuple[str, Any, list[int]]]:
    """Name, fitted transformer and positions in the model frame of every branch that has any."""
    names = pd.Index([*schema.matrix_columns, *schema.categorical])
    for name, fitted, chosen in transformer.transformers_:
        by_name = not isinstance(chosen, slice) and np.asarray(chosen).dtype.kind in "OU"
        numbers = names.get_indexer(pd.Index(chosen)) if by_name else np.arange(len(names))[chosen]
        if len(numbers) and not (isinstance(fitted, str) and fitted == "drop"):
            yield name, fitted, numbers.tolist()


def _steps_of(fitted: Any) -> list[Any]:
    if isinstance(fitted, Pipeline):
        return [inner for _, step in fitted.steps for inner in _steps_of(step)]
    return [fitted]


def _find_vocabularies(branches: list[tuple[str, Any, list[int]]], schema: FeatureSchema) -> Any:
    """Every text that the schema or a fitted step knows, by feature."""
    known = {f.name: {MISSING_CATEGORY, *f.categories} for f in schema.features}
    names = [*schema.matrix_columns, *schema.categorical]
    for _, fitted, positions in branches:
        for step in _steps_of(fitted):
            learned = getattr(step, "categories_", getattr(step, "kept_", ()))
            for position, texts in zip(positions, learned, strict=False):
                known[names[position]] |= {str(text) for text in texts}
    return {name: tuple(sorted(known[name])) for name in schema.categorical}


def _read_steps(fitted: Any, name: str) -> Iterator[Step]:
    for step in _steps_of(fitted):
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


def _tabulate(
    fitted: Any, name: str, texts: list[int], vocabularies: Vocabularies, schema: FeatureSchema
) -> Iterator[tuple[Table, list[int]]]:
    """A table of each text column, and where in the branch its columns belong."""
    features = [schema.categorical[i] for i in texts]
    answers = [_try_all(fitted, features, feature, vocabularies) for feature in features]
    varies = np.array([(found != found[UNSEEN]).any(axis=0) for found in answers])
    if (varies.sum(axis=0) > 1).any():
        raise FormatError(f"branch {name!r} looks at several texts at once; no table can hold that")
    owner = varies.argmax(axis=0)  # a column that never changes belongs to the first feature
    for i, (position, found) in enumerate(zip(texts, answers, strict=True)):
        places = np.flatnonzero(owner == i)
        if len(places):
            yield Table(position, found[:, places]), places.tolist()


def _try_all(
    fitted: Any, features: list[str], varied: str, vocabularies: Vocabularies
) -> NDArray[np.float64]:
    """The branch's columns for each text of one feature, the others unseen: (codes, width)."""
    texts = [_unseen(vocabularies[varied]), *vocabularies[varied]]
    columns = {
        feature: texts if feature == varied else [_unseen(vocabularies[feature])] * len(texts)
        for feature in features
    }
    frame: Any = pd.DataFrame(columns, dtype=object)
    if not hasattr(_steps_of(fitted)[0], "feature_names_in_"):
        frame = frame.to_numpy()
    found = fitted.transform(frame)
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found, dtype=np.float64)


def _unseen(vocabulary: tuple[str, ...]) -> str:
    candidates = (f"\x1fnever seen {i}" for i in itertools.count())
    return next(text for text in candidates if text not in vocabulary)
