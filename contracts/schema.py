"""FeatureSchema: what a row looks like. Training writes it, serving and monitoring read it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from contracts.params import ClassLabel, Kind

if TYPE_CHECKING:  # the serving image has no pandas
    import pandas as pd

FloatMatrix = NDArray[np.float32]
TextMatrix = NDArray[np.object_]

MISSING_CATEGORY = ""
# Beyond this, sums inside a linear model can overflow float32 and answer NaN.
MAGNITUDE_LIMIT = 1e30


class SchemaError(ValueError):
    """A frame or a schema file does not have the promised form; the message names the column."""


@dataclass(frozen=True)
class Feature:
    """One column. `low`, `high` and `categories` were seen in training; they inform, not forbid."""

    name: str
    kind: Kind
    nullable: bool
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] = ()
    example: float | int | str | None = None


@dataclass(frozen=True)
class Target:
    """The answer. The last class is the positive one, answered from `threshold` upwards."""

    name: str
    classes: tuple[ClassLabel, ClassLabel]
    threshold: float = 0.5


@dataclass(frozen=True)
class FeatureSchema:
    features: tuple[Feature, ...]
    target: Target
    timestamp: str

    @property
    def names(self) -> list[str]:
        """Every feature in schema order, the order of a positional request."""
        return [feature.name for feature in self.features]

    @property
    def numeric(self) -> list[str]:
        """Columns of the float matrix, in its order."""
        return [f.name for f in self.features if f.kind != "categorical"]

    @property
    def categorical(self) -> list[str]:
        """Columns of the text matrix, in its order."""
        return [f.name for f in self.features if f.kind == "categorical"]

    def to_matrices(self, columns: "pd.DataFrame | Mapping[str, Any]") -> tuple[Any, Any]:
        """Turn named columns into what a model takes.

        Args:
            columns: a frame or mapping with at least every feature, n rows each.

        Returns:
            float32 (n, numeric features), NaN = missing; object (n, categorical features) of
            str, "" = missing.

        Raises:
            SchemaError: a feature is absent.
        """
        absent = [name for name in self.names if name not in columns]
        if absent:
            raise SchemaError(f"columns missing: {absent}; the schema has {self.names}")
        rows = len(columns[self.names[0]])
        numeric = np.empty((rows, len(self.numeric)), np.float32)
        for i, name in enumerate(self.numeric):
            numeric[:, i] = np.asarray(columns[name], dtype=np.float32)
        text = np.empty((rows, len(self.categorical)), object)
        for i, name in enumerate(self.categorical):
            text[:, i] = [_as_category(value) for value in columns[name]]
        return numeric, text

    def with_threshold(self, threshold: float) -> "FeatureSchema":
        return replace(self, target=replace(self.target, threshold=threshold))

    def example(self) -> dict[str, float | int | str | None]:
        """One row that predicts when it is pasted."""
        return {feature.name: feature.example for feature in self.features}

    def to_json(self) -> str:
        return json.dumps({"format": 1, **asdict(self)}, indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> "FeatureSchema":
        """Read what `to_json` wrote.

        Raises:
            SchemaError: another format version, or not a schema.
        """
        try:
            data = json.loads(text)
            if data["format"] != 1:
                raise SchemaError(f"schema format {data['format']}, this code reads 1")
            features = [
                Feature(**{**f, "categories": tuple(f["categories"])}) for f in data["features"]
            ]
            target = Target(**{**data["target"], "classes": tuple(data["target"]["classes"])})
            return cls(tuple(features), target, data["timestamp"])
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise SchemaError(f"not a feature schema: {error!r}") from None


def _as_category(value: object) -> str:
    return value if isinstance(value, str) else MISSING_CATEGORY
