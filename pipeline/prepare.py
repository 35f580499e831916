"""Stage: raw rows and outcome snapshots -> checked, typed, labelled rows in order of time."""

import argparse
import json
import sys
from dataclasses import dataclass
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
from pipeline.golden import golden_frame, golden_rows, shares_block


@dataclass(frozen=True)
class Prepared:
    """Rows in order of time, typed; see prepare.

    Attributes:
        frame: what models may learn from.
        golden: what no model may learn from, see golden.py; empty = the table has none.
        counts: of rows read, without outcome, of ignored classes, set aside as golden, kept.
    """

    frame: pd.DataFrame
    golden: pd.DataFrame
    counts: dict[str, int]


def prepare(tables: list[pd.DataFrame], params: Params) -> tuple[pd.DataFrame, dict[str, int]]:
    """Check, type and order the rows; drop and count those without an outcome, and golden ones.

    Args:
        tables: the raw table, then every outcome snapshot.

    Returns:
        Features as columns.parse_column types them, target as a class or a number, time column
        (aware UTC), GROUP where groups are split; sorted by time; and the counts.

    Raises:
        DatasetError: a column is missing or has another kind, a target is no class, too few rows.
    """
    prepared = prepare_all(tables, params)
    return prepared.frame, prepared.counts


def prepare_all(tables: list[pd.DataFrame], params: Params) -> Prepared:
    """As prepare, and the golden rows beside."""
    data = params.data
    labelled = [_labelled(table, params) for table in tables]
    frame = _typed(labelled, params)
    known = frame[data.target].notna().to_numpy()
    golden, apart = _set_aside(frame, known, len(labelled[0]), data)
    kept = _in_order(frame[known & ~apart], data)
    _require_enough(kept, data)
    rows = sum(len(table) for table in tables)
    counts = {"rows": rows, "without_outcome": rows - len(frame),
              "of_ignored_classes": len(frame) - int(known.sum()),
              "golden": int((known & apart).sum()), "kept": len(kept)}  # fmt: skip
    return Prepared(kept, golden, counts)


def _typed(tables: list[pd.DataFrame], params: Params) -> pd.DataFrame:
    data = params.data
    columns = {
        name: pd.concat([parse_column(t[name], name, f) for t in tables], ignore_index=True)
        for name, f in params.features.items()
    }
    for name in columns:
        columns[name] = _complete(columns[name], name, params.features[name])
    targets = pd.concat([_targets(table, data) for table in tables], ignore_index=True)
    times = pd.concat([_times(table, data) for table in tables], ignore_index=True)
    frame = pd.DataFrame(columns | {data.target: targets, data.time_column: times})
    if data.split == "grouped":
        frame[GROUP] = _groups(tables, data)
    return frame


def _set_aside(
    frame: pd.DataFrame, known: np.ndarray, original: int, data: Data
) -> tuple[pd.DataFrame, np.ndarray]:
    """The golden ones of the first `original` rows; and bool (n,), which rows depend on them.

    A table that could not spare them keeps them all.
    """
    none = frame.iloc[:0], np.zeros(len(frame), dtype=bool)
    if data.golden is None:
        return none
    mine = np.zeros(len(frame), dtype=bool)
    mine[:original] = golden_rows(frame.iloc[:original], data)
    golden = frame[mine & known]
    apart = mine | shares_block(frame, golden, data)
    if golden.empty or _lacks(frame[known & ~apart], data):
        return none
    return golden_frame(_in_order(golden, data), data, data.golden), apart


def _in_order(frame: pd.DataFrame, data: Data) -> pd.DataFrame:
    return frame.sort_values(data.time_column, kind="stable", ignore_index=True)


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
    if lacks := _lacks(frame, data):
        raise DatasetError(lacks)


def _lacks(frame: pd.DataFrame, data: Data) -> str:
    """Why nothing can be learned from these rows; empty = it can."""
    if len(frame) < data.min_rows:
        return f"{len(frame)} labelled rows; data.min_rows asks for {data.min_rows}"
    if data.task == "regression":
        same = frame[data.target].nunique() < 2
        return f"{data.target}: always the same value; nothing can be learned" if same else ""
    absent = [label for label in data.classes if not (frame[data.target] == label).any()]
    if not absent:
        return ""
    return (
        f"{data.target}: no row of the classes {absent}; the table lacks them, or remove them "
        "from data.classes"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.prepare", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--raw", type=Path, required=True, help="read: parquet")
    parser.add_argument("--outcomes", type=Path, required=True, help="read: directory of snapshots")
    parser.add_argument("--prepared", type=Path, required=True, help="written: parquet")
    parser.add_argument("--golden", type=Path, required=True, help="written: parquet")
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
    prepared = prepare_all([pd.read_parquet(path) for path in paths], params)
    arguments.prepared.parent.mkdir(exist_ok=True)
    prepared.frame.to_parquet(arguments.prepared)
    prepared.golden.to_parquet(arguments.golden)
    arguments.schema.write_text(infer_schema(prepared.frame, params).to_json())
    arguments.counts.write_text(json.dumps(prepared.counts, indent=1) + "\n")


if __name__ == "__main__":
    main()
