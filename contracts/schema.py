"""FeatureSchema: what a row looks like. Training writes it, serving and monitoring read it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from contracts.moments import split_moments
from contracts.params import DEFAULT_TIMESTAMP, RESERVED, ClassLabel, Kind, Task

if TYPE_CHECKING:  # the serving image has no pandas
    import pandas as pd

FloatMatrix = NDArray[np.float32]
TextMatrix = NDArray[np.object_]

MISSING_CATEGORY = ""
# Columns that the product adds to a frame of features; no feature may be called so.
EVENT_TIME = DEFAULT_TIMESTAMP  # aware UTC
OUTCOME = f"{RESERVED}outcome"
GROUP = f"{RESERVED}group"  # rows that a split must keep together
BLOCK = f"{RESERVED}block"  # of golden rows: those of one depend on each other
VERSION = f"{RESERVED}version"  # of the model that answered
ANSWER = f"{RESERVED}answer"  # + output: what a model answered, see Target.outputs
BASELINE = f"{RESERVED}baseline"  # + output: the same by a model that knows no feature
FORMAT = 3
# Format 1 knew binary targets only, 2 no offsets; what they lack has defaults.
READABLE = (1, 2, 3)
# Beyond this, sums inside a linear model can overflow float32 and answer NaN.
MAGNITUDE_LIMIT = 1e30


class SchemaError(ValueError):
    """A frame or a schema file does not have the promised form; the message names the column."""


@dataclass(frozen=True)
class Feature:
    """One column. `low`, `high` and `categories` were seen in training; they inform, not forbid.

    `decimal`, `missing`, `words` and `day_first` say how texts in a table are read (params.yaml).
    `low` and `high` of a datetime are in seconds since 1970.
    """

    name: str
    kind: Kind
    nullable: bool
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] = ()
    example: float | int | str | bool | None = None
    decimal: str = "."
    missing: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    day_first: bool = False


@dataclass(frozen=True)
class Target:
    """The answer.

    A binary model answers its last class from `threshold` upwards, a multiclass one the likeliest
    class. A regression's true value lies within `margin` of its answer for a share `coverage` of
    rows. `offsets` recalibrate what the model answers, see contracts/recalibration.py.
    """

    name: str
    classes: tuple[ClassLabel, ...] = ()
    threshold: float = 0.5
    task: Task = "binary"
    margin: float | None = None
    coverage: float | None = None
    offsets: tuple[float, ...] = ()

    @property
    def outputs(self) -> list[str]:
        """What a model answers for one row: a probability of each class, or one number."""
        return [str(label) for label in self.classes] if self.classes else ["value"]

    def truths(self, values: Sequence[Any] | Any) -> NDArray[np.float64]:
        """True labels as float64 (n,): the number of the class, or the value itself.

        Raises:
            SchemaError: a label is none of the classes.
        """
        if self.task == "regression":
            return np.asarray(values, dtype=np.float64)
        numbers = {label: float(i) for i, label in enumerate(self.classes)}
        try:
            return np.array([numbers[value] for value in values], dtype=np.float64)
        except KeyError as error:
            raise SchemaError(f"{self.name}: {error} is none of {list(self.classes)}") from None


@dataclass(frozen=True)
class FeatureSchema:
    features: tuple[Feature, ...]
    target: Target
    timestamp: str  # name in prepared frames; EVENT_TIME where the table has none

    @property
    def names(self) -> list[str]:
        """Every feature in schema order, the order of a positional request."""
        return [feature.name for feature in self.features]

    @property
    def numeric(self) -> list[str]:
        """Features that are one number each: the first columns of the float matrix."""
        return [f.name for f in self.features if f.kind not in ("categorical", "datetime")]

    @property
    def datetimes(self) -> list[str]:
        """Features that are two numbers each, day and second: the float matrix's last columns."""
        return [f.name for f in self.features if f.kind == "datetime"]

    @property
    def categorical(self) -> list[str]:
        """Columns of the text matrix, in its order."""
        return [f.name for f in self.features if f.kind == "categorical"]

    @property
    def matrix_columns(self) -> list[str]:
        """Names of the float matrix's columns."""
        pairs = [f"{name}{part}" for name in self.datetimes for part in (" [day]", " [second]")]
        return self.numeric + pairs

    @property
    def answers(self) -> list[str]:
        """Columns of a frame that hold what a model answered, in the order of its outputs."""
        return [ANSWER + output for output in self.target.outputs]

    def to_matrices(self, columns: "pd.DataFrame | Mapping[str, Any]") -> tuple[Any, Any]:
        """Turn named, typed columns into what a model takes.

        Args:
            columns: a frame or mapping with at least every feature, n rows each; datetimes as
                datetime64 or ISO 8601 text.

        Returns:
            float32 (n, matrix_columns), NaN = missing; object (n, categorical features) of
            str, "" = missing.

        Raises:
            SchemaError: a feature is absent.
        """
        absent = [name for name in self.names if name not in columns]
        if absent:
            raise SchemaError(f"columns missing: {absent}; the schema has {self.names}")
        rows = len(columns[self.names[0]])
        numeric = np.empty((rows, len(self.matrix_columns)), np.float32)
        for i, name in enumerate(self.numeric):
            numeric[:, i] = _as_floats(columns[name])
        for i, name in enumerate(self.datetimes):
            at = len(self.numeric) + 2 * i
            numeric[:, at : at + 2] = split_moments(columns[name])
        text = np.empty((rows, len(self.categorical)), object)
        for i, name in enumerate(self.categorical):
            text[:, i] = _as_categories(columns[name])
        return numeric, text

    def with_choice(
        self, threshold: float, margin: float | None, coverage: float | None
    ) -> "FeatureSchema":
        """The same with what training chose for the target."""
        chosen = {"threshold": threshold, "margin": margin, "coverage": coverage}
        return replace(self, target=replace(self.target, **chosen))  # type: ignore[arg-type]  # mixed

    def example(self) -> dict[str, float | int | str | bool | None]:
        """One row that predicts when it is pasted."""
        return {feature.name: feature.example for feature in self.features}

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "FeatureSchema":
        """Read what `to_json` wrote.

        Raises:
            SchemaError: another format version, or not a schema.
        """
        try:
            data = json.loads(text)
            if data["format"] not in READABLE:
                raise SchemaError(f"schema format {data['format']}, this code reads {READABLE}")
            features = [Feature(**{**f, **_tuples(f)}) for f in data["features"]]
            target = Target(**{**data["target"], **_tuples(data["target"])})
            return cls(tuple(features), target, data["timestamp"])
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise SchemaError(f"not a feature schema: {error!r}") from None


def _tuples(entry: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {key: tuple(value) for key, value in entry.items() if isinstance(value, list)}


def _as_floats(values: Any) -> NDArray[np.float32]:
    if hasattr(values, "to_numpy"):  # a nullable pandas column has no other way to say missing
        return np.asarray(values.to_numpy(dtype=np.float32, na_value=np.nan))
    return np.asarray(values, dtype=np.float32)


def _as_categories(values: Any) -> NDArray[np.object_]:
    """Equal texts become one object, so that millions of rows hold a pointer each."""
    seen: dict[str, str] = {}
    found = np.empty(len(values), object)
    found[:] = [
        seen.setdefault(value, value) if isinstance(value, str) else MISSING_CATEGORY
        for value in values
    ]
    return found
