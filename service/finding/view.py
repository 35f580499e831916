"""One logged row as its page shows it; nothing here reads a database or writes HTML."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from contracts.schema import Feature, FeatureSchema


@dataclass(frozen=True)
class Cell:
    """One feature of a row.

    Attributes:
        seen: what training has seen of it; "" = nobody knows.
        is_new: whether this value lies beyond that.
    """

    name: str
    value: Any
    seen: str
    is_new: bool


def make_cells(features: Mapping[str, Any], schema: FeatureSchema | None) -> list[Cell]:
    """A row's features in the order of its version's schema; as they were logged without one."""
    if schema is None:
        return [Cell(name, value, "", False) for name, value in features.items()]
    return [_cell(feature, features.get(feature.name)) for feature in schema.features]


def make_answer(row: Mapping[str, Any]) -> dict[str, Any]:
    """The answer as POST /predict gives it for one row."""
    scores = row["scores"]
    is_number = row["probability"] is None  # a regression, whose scores are an interval
    return {
        "prediction_id": row["prediction_id"],
        "prediction": row["prediction"],
        "probability": row["probability"] if scores is None or is_number else scores,
        "interval": scores if is_number else None,
    }


def _cell(feature: Feature, value: Any) -> Cell:
    if feature.categories:
        new = value is not None and value not in feature.categories
        return Cell(feature.name, value, f"{len(feature.categories)} values", new)
    if feature.low is None or feature.high is None:
        return Cell(feature.name, value, "", False)
    number = _number(feature, value)
    new = number is not None and not feature.low <= number <= feature.high
    return Cell(feature.name, value, _range(feature, feature.low, feature.high), new)


def _number(feature: Feature, value: Any) -> float | None:
    """On the scale of the feature's range."""
    if feature.kind == "datetime" and isinstance(value, str):
        moment = datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    return float(value) if isinstance(value, int | float) else None


def _range(feature: Feature, low: float, high: float) -> str:
    if feature.kind != "datetime":
        return f"{low:g} to {high:g}"
    first, last = (datetime.fromtimestamp(end, UTC) for end in (low, high))
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
