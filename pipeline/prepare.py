"""Stage: raw rows and outcome snapshots -> checked, typed, labelled rows in order of time."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from contracts.params import Data, FeatureParams, Params, ParamsError, load_params
from contracts.schema import GROUP, MAGNITUDE_LIMIT
from pipeline.columns import (
    as_texts,
    canonical,
    class_texts,
    holds_texts,
    mark_missing,
    parse_column,
    parse_numbers,
)
from pipeline.describe import infer_schema
from pipeline.frames import DatasetError


def prepare(tables: list[pd.DataFrame], params: Params) -> tuple[pd.DataFrame, dict[str, int]]:
    """Check, type and order the rows; drop and count those without an outcome.

    Args:
        tables: the raw table and every outcome snapshot.

    Returns:
        Features as columns.parse_column types them, target as a class or a number, time column
        (aware UTC), GROUP where groups are split; sorted by time; and the counts of rows read,
        without outcome, of ignored classes, kept.

    Raises:
        DatasetError: a column is missing or has another kind, a target is no class, too few rows.
    """
    data = params.data
    labelled = [_labelled(table, params) for table in tables]
    columns = {
        name: pd.concat([parse_column(t[name], name, f) for t in labelled], ignore_index=True)
        for name, f in params.features.items()
    }
    for name in columns:
        columns[name] = _complete(columns[name], name, params.features[name])
    targets = pd.concat([_targets(table, data) for table in labelled], ignore_index=True)
    times = pd.concat([_times(table, data) for table in labelled], ignore_index=True)
    frame = pd.DataFrame(columns | {data.target: targets, data.time_column: times})
    if data.split == "grouped":
        frame[GROUP] = _groups(labelled, data)
    kept = frame[targets.notna()].sort_values(data.time_column, kind="stable", ignore_index=True)
    _require_enough(kept, data)
    rows, known = sum(len(table) for table in tables), len(frame)
    counts = {"rows": rows, "without_outcome": rows - known,
              "of_ignored_classes": known - len(kept), "kept": len(kept)}  # fmt: skip
    return kept, counts


def _labelled(table: pd.DataFrame, params: Params) -> pd.DataFrame:
    """The rows that have an outcome."""
    data = params.data
    wanted = [*params.features, data.target, *([data.timestamp] if data.timestamp else [])]
    absent = [name for name in wanted if name not in table]
    if absent:
        raise DatasetError(f"columns {absent} are missing; the table has {list(table.columns)}")
    known = mark_missing(table[data.target]).notna()
    return table[known]


def _complete(column: pd.Series, name: str, feature: FeatureParams) -> pd.Series:
    missing = int(column.isna().sum())
    if missing and not feature.nullable:
        raise DatasetError(f"{name}: {missing} values are missing; set features.{name}.nullable")
    if feature.kind in ("numeric", "integer") and (column.abs() > MAGNITUDE_LIMIT).any():
        raise DatasetError(f"{name}: has values beyond {MAGNITUDE_LIMIT:g}; they are no data")
    return column


def _targets(table: pd.DataFrame, data: Data) -> pd.Series:
    """Class labels as params name them, None = of an ignored class; or float64."""
    column = mark_missing(table[data.target])
    if data.task == "regression":
        return parse_numbers(column, data.target, data.decimal)
    whole = all(isinstance(label, int) for label in data.classes)
    texts = class_texts(column, whole)
    known = {canonical(label): label for label in data.classes}
    ignored = {canonical(label) for label in data.ignored_classes}
    strange = sorted(set(texts.unique()) - known.keys() - ignored)
    if strange:
        raise DatasetError(
            f"{data.target}: {strange[:5]} are none of data.classes {data.classes}; add them, or "
            "list them under data.ignored_classes"
        )
    found = texts.map(known)
    if whole and not any(texts.isin(ignored)):
        return found.astype(np.int64)
    return found.astype(object)


def _times(table: pd.DataFrame, data: Data) -> pd.Series:
    """When each row became a question; rows of a table without time count as of `until`."""
    name = data.time_column
    if name not in table:
        return pd.Series(
            pd.Timestamp(data.until, tz="UTC"), table.index, dtype="datetime64[us, UTC]"
        )
    times = table[name]
    if holds_texts(times) or times.isna().any():
        raise DatasetError(f"{name}: is no column of complete moments; ingest makes it one")
    return pd.to_datetime(times, utc=True)


def _groups(tables: list[pd.DataFrame], data: Data) -> pd.Series:
    """Texts; a row that has no id of its own (an outcome) is a group by itself."""
    parts, before = [], 0
    for table in tables:
        rows = pd.Series(range(before, before + len(table)), table.index).map("row {}".format)
        ids = as_texts(table[data.id]).map("id {}".format, na_action="ignore") \
            if data.id in table else rows  # fmt: skip
        parts.append(ids.fillna(rows))
        before += len(table)
    return pd.concat(parts, ignore_index=True)


def _require_enough(frame: pd.DataFrame, data: Data) -> None:
    if len(frame) < data.min_rows:
        raise DatasetError(f"{len(frame)} labelled rows; data.min_rows asks for {data.min_rows}")
    if data.task == "regression":
        if frame[data.target].nunique() < 2:
            raise DatasetError(f"{data.target}: always the same value; nothing can be learned")
        return
    absent = [label for label in data.classes if not (frame[data.target] == label).any()]
    if absent:
        raise DatasetError(
            f"{data.target}: no row of the classes {absent}; the table lacks them, or remove them "
            "from data.classes"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.prepare", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--raw", type=Path, required=True, help="read: parquet")
    parser.add_argument("--outcomes", type=Path, required=True, help="read: directory of snapshots")
    parser.add_argument("--prepared", type=Path, required=True, help="written: parquet")
    parser.add_argument("--schema", type=Path, required=True, help="written: JSON")
    parser.add_argument("--counts", type=Path, required=True, help="written: JSON")
    arguments = parser.parse_args()
    try:
        _run(arguments)
    except (DatasetError, ParamsError) as error:
        sys.exit(f"prepare: {error}")


def _run(arguments: argparse.Namespace) -> None:
    params = load_params(arguments.params)
    paths = [arguments.raw, *sorted(arguments.outcomes.glob("*.parquet"))]
    frame, counts = prepare([pd.read_parquet(path) for path in paths], params)
    arguments.prepared.parent.mkdir(exist_ok=True)
    frame.to_parquet(arguments.prepared)
    arguments.schema.write_text(infer_schema(frame, params).to_json())
    arguments.counts.write_text(json.dumps(counts, indent=1) + "\n")


if __name__ == "__main__":
    main()
