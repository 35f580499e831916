"""Texts become codes, and their encoders tables from code to numbers.

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
from sklearn.pipeline import Pipeline

from contracts.schema import MISSING_CATEGORY, FeatureSchema
from pipeline.formats import FormatError

UNSEEN = 0  # code of every text that is in no vocabulary
Vocabularies = dict[str, tuple[str, ...]]  # the code of a text is its place, counted from 1
Branch = tuple[str, Any, list[int]]  # name, fitted transformer, positions in the model frame


@dataclass(frozen=True)
class Table:
    """What one column of codes becomes: row i holds the columns that code i is turned into."""

    position: int  # of the categorical feature
    values: NDArray[np.float64]  # (codes, columns)

    @property
    def width(self) -> int:
        """Columns that come out."""
        return int(self.values.shape[1])


def find_vocabularies(branches: list[Branch], schema: FeatureSchema) -> Vocabularies:
    """Every text that the schema or a fitted step knows, by feature."""
    known = {f.name: {MISSING_CATEGORY, *f.categories} for f in schema.features}
    names = [*schema.matrix_columns, *schema.categorical]
    for _, fitted, positions in branches:
        for step in steps_of(fitted):
            learned = getattr(step, "categories_", getattr(step, "kept_", ()))
            for position, texts in zip(positions, learned, strict=False):
                known[names[position]] |= {str(text) for text in texts}
    return {name: tuple(sorted(known[name])) for name in schema.categorical}


def tabulate(
    fitted: Any, name: str, texts: list[int], vocabularies: Vocabularies, schema: FeatureSchema
) -> Iterator[tuple[Table, list[int]]]:
    """A table of each text column, and where in the branch its columns belong.

    Raises:
        FormatError: an encoder looks at several columns at once.
    """
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
    if not hasattr(steps_of(fitted)[0], "feature_names_in_"):
        frame = frame.to_numpy()
    found = fitted.transform(frame)
    return np.asarray(found.toarray() if hasattr(found, "toarray") else found, dtype=np.float64)


def _unseen(vocabulary: tuple[str, ...]) -> str:
    candidates = (f"\x1fnever seen {i}" for i in itertools.count())
    return next(text for text in candidates if text not in vocabulary)


def steps_of(fitted: Any) -> list[Any]:
    """The transformers of a branch, one after another."""
    if isinstance(fitted, Pipeline):
        return [inner for _, step in fitted.steps for inner in steps_of(step)]
    return [fitted]
