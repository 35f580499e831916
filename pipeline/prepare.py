"""Stage 2: raw rows and outcome snapshots -> checked, typed, labelled rows in order of time."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from contracts.params import Data, FeatureParams, Params, load_params
from contracts.schema import Feature, FeatureSchema, Target
from pipeline.frames import DatasetError

# Categories beyond this many are still learned, only no longer listed.
LISTED_CATEGORIES = 1000


def prepare(tables: list[pd.DataFrame], params: Params) -> tuple[pd.DataFrame, dict[str, int]]:
    """Check, type and order the rows; drop and count those without an outcome.

    Args:
        tables: the raw table and every outcome snapshot.

    Returns:
        Features as float32 or str (None = missing), target as a class, timestamp (aware UTC),
        sorted by timestamp; and the counts of rows read, without outcome, kept.

    Raises:
        DatasetError: a column is missing or has another kind, a target is no class, too few rows.
    """
    data = params.data
    wanted = [*params.features, data.target, data.timestamp]
    rows = pd.concat([_select(table, wanted) for table in tables], ignore_index=True)
    labelled = rows[rows[data.target].notna()]
    kept = pd.DataFrame(
        {name: _typed(labelled[name], name, f) for name, f in params.features.items()}
        | {data.target: _classes(labelled[data.target], data)}
        | {data.timestamp: pd.to_datetime(labelled[data.timestamp], utc=True)}
    ).sort_values(data.timestamp, kind="stable", ignore_index=True)
    _require_both_classes(kept, data)
    counts = {"rows": len(rows), "without_outcome": len(rows) - len(kept), "kept": len(kept)}
    return kept, counts


def infer_schema(frame: pd.DataFrame, params: Params) -> FeatureSchema:
    """Describe prepared rows: kinds from params; ranges, categories and example as seen."""
    names = list(params.features)
    complete = frame.dropna(subset=names)
    example = (complete if len(complete) else frame).iloc[-1]
    features = [_describe(frame[n], f, example[n]) for n, f in params.features.items()]
    first, last = params.data.classes
    return FeatureSchema(
        tuple(features), Target(params.data.target, (first, last)), params.data.timestamp
    )


def _select(table: pd.DataFrame, wanted: list[str]) -> pd.DataFrame:
    absent = [name for name in wanted if name not in table]
    if absent:
        raise DatasetError(f"columns {absent} are missing; the table has {list(table.columns)}")
    return table[wanted]


def _typed(column: pd.Series, name: str, feature: FeatureParams) -> pd.Series:
    missing = int(column.isna().sum())
    if missing and not feature.nullable:
        raise DatasetError(f"{name}: {missing} values are missing; set features.{name}.nullable")
    if feature.kind == "categorical":
        return column.astype(object).where(column.notna(), None).map(_as_text)
    try:
        numbers = pd.to_numeric(column).astype(np.float32)
    except (ValueError, TypeError) as error:
        raise DatasetError(f"{name}: not {feature.kind}: {error}") from None
    if np.isinf(numbers).any():
        raise DatasetError(f"{name}: contains Infinity")
    if feature.kind == "integer" and (numbers.dropna() % 1 != 0).any():
        raise DatasetError(f"{name}: has fractions; its kind is numeric, not integer")
    return numbers


def _as_text(value: object) -> str | None:
    return None if value is None else str(value)


def _classes(column: pd.Series, data: Data) -> pd.Series:
    strange = sorted(set(column.unique().tolist()) - set(data.classes))
    if strange:
        raise DatasetError(f"{data.target}: {strange[:5]} are none of data.classes {data.classes}")
    return column.astype(int) if all(isinstance(c, int) for c in data.classes) else column


def _require_both_classes(frame: pd.DataFrame, data: Data) -> None:
    if len(frame) < data.min_rows:
        raise DatasetError(f"{len(frame)} labelled rows; data.min_rows asks for {data.min_rows}")
    if frame[data.target].nunique() < 2:
        raise DatasetError(f"{data.target}: only one class occurs; nothing can be learned")


def _describe(column: pd.Series, feature: FeatureParams, example: object) -> Feature:
    name, kind, nullable = str(column.name), feature.kind, feature.nullable
    if kind == "categorical":
        seen = tuple(sorted(column.dropna().unique())[:LISTED_CATEGORIES])
        text = None if example is None else str(example)
        return Feature(name, kind, nullable, categories=seen, example=text)
    low, high = _plain(column.min(), kind), _plain(column.max(), kind)
    return Feature(name, kind, nullable, low, high, example=_plain(example, kind))


def _plain(value: Any, kind: str) -> float | int | None:
    """The shortest decimal that is the same float32."""
    number = float(str(np.float32(value)))
    if np.isnan(number):
        return None
    return int(number) if kind == "integer" else number


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.prepare", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--raw", type=Path, required=True, help="read: parquet")
    parser.add_argument("--outcomes", type=Path, required=True, help="read: directory of snapshots")
    parser.add_argument("--prepared", type=Path, required=True, help="written: parquet")
    parser.add_argument("--schema", type=Path, required=True, help="written: JSON")
    parser.add_argument("--counts", type=Path, required=True, help="written: JSON")
    arguments = parser.parse_args()
    params = load_params(arguments.params)
    paths = [arguments.raw, *sorted(arguments.outcomes.glob("*.parquet"))]
    frame, counts = prepare([pd.read_parquet(path) for path in paths], params)
    arguments.prepared.parent.mkdir(exist_ok=True)
    frame.to_parquet(arguments.prepared)
    arguments.schema.write_text(infer_schema(frame, params).to_json())
    arguments.counts.write_text(json.dumps(counts, indent=1) + "\n")


if __name__ == "__main__":
    main()
