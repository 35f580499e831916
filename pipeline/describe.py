"""What prepared rows look like: the schema that serving and monitoring read."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from contracts.params import FeatureParams, Params
from contracts.schema import Feature, FeatureSchema, Target

# Categories beyond this many are still learned, only no longer listed.
LISTED_CATEGORIES = 1000


def infer_schema(frame: pd.DataFrame, params: Params) -> FeatureSchema:
    """Describe prepared rows: kinds from params; ranges, categories and example as seen."""
    names = list(params.features)
    complete = frame.dropna(subset=names)
    example = (complete if len(complete) else frame).iloc[-1]
    features = [_describe(frame[n], f, example[n]) for n, f in params.features.items()]
    data = params.data
    target = Target(data.target, tuple(data.classes), task=data.task)
    return FeatureSchema(tuple(features), target, data.time_column)


def _describe(column: pd.Series, feature: FeatureParams, example: Any) -> Feature:
    found = Feature(
        str(column.name),
        feature.kind,
        feature.nullable,
        decimal=feature.decimal,
        missing=tuple(feature.missing),
        words=tuple(feature.words),
        day_first=feature.day_first,
    )
    if feature.kind == "categorical":
        seen = tuple(sorted(column.dropna().unique())[:LISTED_CATEGORIES])
        return replace(found, categories=seen, example=None if example is None else str(example))
    if feature.kind == "datetime":
        low, high = (_seconds(moment) for moment in (column.min(), column.max()))
        shown = None if pd.isna(example) else pd.Timestamp(str(example)).isoformat()
        return replace(found, low=low, high=high, example=shown)
    low, high = (_plain(number, feature.kind) for number in (column.min(), column.max()))
    shown_number = _plain(example, feature.kind)
    if feature.kind == "boolean" and shown_number is not None:
        return replace(found, low=low, high=high, example=bool(shown_number))
    return replace(found, low=low, high=high, example=shown_number)


def _plain(value: Any, kind: str) -> float | int | None:
    """The shortest decimal that is the same float32."""
    number = float(str(np.float32(value)))
    if np.isnan(number):
        return None
    return number if kind == "numeric" else int(number)


def _seconds(moment: Any) -> float | None:
    return None if pd.isna(moment) else float(moment.timestamp())
