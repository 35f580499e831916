"""What a table holds and what can be learned from it, decided from the table alone."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tqdm import tqdm

from contracts.params import Split, Task
from pipeline.adoption.infer_columns import Column, examine, sample_rows
from pipeline.adoption.infer_target import Answer, infer_target
from pipeline.adoption.leaks import leak
from pipeline.adoption.left_out import looks_like_time, reason_to_leave_out
from pipeline.columns import canonical
from pipeline.frames import DatasetError
from pipeline.tables.history import days_of

Hashes = NDArray[np.uint64]
HOLDOUT_SHARE = 0.2
# With fewer days than this, whole days are too coarse to split by.
LEAST_DAYS = 5
LEAST_GROUPS = 10


@dataclass(frozen=True)
class Wish:
    """What the team says of its table; none = to be inferred."""

    target: str
    timestamp: str | None = None
    id: str | None = None
    task: Task | None = None


@dataclass(frozen=True)
class Splitting:
    """How rows are held out; `until` is the day before which rows are learned from."""

    split: Split
    until: date
    day_first: bool = False  # of the timestamp's texts
    holdout_days: int = 28
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class Findings:
    """All that params.yaml needs to know of a table.

    `left_out` holds the reason for each column that is no feature; `duplicates` is the share of
    rows that repeat another; `first` is the first row's features as a request holds them.
    """

    wish: Wish
    rows: int
    answer: Answer
    splitting: Splitting
    features: tuple[Column, ...]
    left_out: dict[str, str]
    duplicates: float
    first: dict[str, Any]
    hints: tuple[str, ...]


def infer(table: Path, wish: Wish, today: date, random: np.random.Generator) -> Findings:
    """Decide about every column of a table.

    Args:
        table: Parquet, as `write_table` writes it.
        today: rows of a table without a timestamp are learned from until then.

    Raises:
        DatasetError: nothing can be learned from it as wished; says why.
    """
    schema = pq.read_schema(table)
    _check_wish(wish, schema.names)
    total = pq.ParquetFile(table).metadata.num_rows
    rows = sample_rows(total, random)
    answer = infer_target(table, examine(table, wish.target, rows), rows, wish.task)
    splitting = _splitting(table, wish, answer, rows, today)
    rest = [name for name in schema.names if name not in {wish.target, wish.timestamp, wish.id}]
    features, left_out, duplicates = _features(table, rest, rows, answer)
    if not features:
        raise DatasetError(f"no feature is left to learn from: {_some(left_out)}")
    suggestions = tuple(
        f"{column.name!r} may say when a row became a question: then add --timestamp"
        for column in features
        if wish.timestamp is None and looks_like_time(column)
    )
    hints = (*splitting.hints, *suggestions)
    first = _first_row(features)
    return Findings(wish, total, answer, splitting, features, left_out, duplicates, first, hints)


def _check_wish(wish: Wish, names: Sequence[str]) -> None:
    asked = {"--target": wish.target, "--timestamp": wish.timestamp, "--id": wish.id}
    for option, name in asked.items():
        if name is not None and name not in names:
            close = difflib.get_close_matches(name, names, 3, 0.5)
            near = [n for n in names if n.strip().lower() == name.strip().lower()]
            known = [*dict.fromkeys([*near, *close])] or list(names[:20])
            raise DatasetError(f"{option}: no column is called {name!r}; did you mean {known}?")
    given = [name for name in asked.values() if name is not None]
    if len(set(given)) < len(given):
        raise DatasetError(f"--target, --timestamp and --id must be different columns: {given}")


def _features(
    table: Path, names: Sequence[str], rows: np.ndarray, answer: Answer
) -> tuple[tuple[Column, ...], dict[str, str], float]:
    """Features, columns left out with the reason, and the share of sampled rows that repeat."""
    features, left_out = [], {}
    mixed: Hashes = np.asarray(pd.util.hash_array(_truths(answer).to_numpy()))
    for name in tqdm(names, desc="examining", unit=" columns", leave=False):
        column = examine(table, name, rows)
        reason = reason_to_leave_out(column) or _leak(column, answer)
        if reason is not None:
            left_out[name] = reason
            continue
        hashes = pd.util.hash_pandas_object(column.sample, index=False).to_numpy()
        mixed = mixed * np.uint64(31) + hashes.astype(np.uint64)
        # Samples of many columns would not fit into memory; the first value is the example.
        features.append(replace(column, sample=column.sample.iloc[:1]))
    duplicates = 1 - len(np.unique(mixed)) / len(mixed)
    return tuple(features), left_out, duplicates


def _truths(answer: Answer) -> pd.Series:
    if answer.truths is None:
        raise TypeError("an inferred target has its truths")
    return answer.truths


def _leak(column: Column, answer: Answer) -> str | None:
    found = leak(column.sample, column.kind, _truths(answer), answer.task)
    return None if found is None else f"may be the target in disguise: {found}"


def _splitting(table: Path, wish: Wish, answer: Answer, rows: np.ndarray, today: date) -> Splitting:
    """By time where there is one and days enough, by group where an id repeats."""
    split: Split = "shuffled" if answer.task == "regression" else "stratified"
    if wish.id is not None and _repeats(examine(table, wish.id, rows)):
        split = "grouped"
    if wish.timestamp is None:
        return Splitting(split, today)
    column = examine(table, wish.timestamp, rows)
    if column.missing == column.rows:
        raise DatasetError(f"--timestamp: {wish.timestamp!r} is missing in every row")
    day_first = column.reading.day_first
    days = days_of(table, wish.timestamp, day_first)
    until = date(1970, 1, 1) + timedelta(days=int(days.max()) + 1)
    span = int(days.max() - days.min()) + 1
    if span < LEAST_DAYS:
        hint = f"{wish.timestamp!r} spans {span} days only: too few to split by time, so {split}"
        return Splitting(split, until, day_first, hints=(hint,))
    return Splitting("time", until, day_first, _holdout_days(days))


def _repeats(key: Column) -> bool:
    if key.missing:
        raise DatasetError(f"--id: {key.name!r} is missing in {key.missing} rows")
    if key.distinct < LEAST_GROUPS:
        raise DatasetError(
            f"--id: {key.name!r} has {key.distinct} distinct values; {LEAST_GROUPS} are needed "
            "to keep rows of one together; leave --id out"
        )
    return key.distinct < key.rows


def _holdout_days(days: np.ndarray) -> int:
    """So many of the newest days that they hold HOLDOUT_SHARE of the rows, and half at most."""
    newest = int(days.max())
    boundary = int(np.quantile(days, 1 - HOLDOUT_SHARE, method="lower"))
    return max(1, min(newest - boundary + 1, newest - int(days.min())))


def _first_row(features: Sequence[Column]) -> dict[str, Any]:
    return {column.name: _plain(column.sample.iloc[0], column.kind) for column in features}


def _plain(value: Any, kind: str) -> Any:
    """As a JSON request holds it."""
    if value is None or pd.isna(value):
        return None
    if kind == "datetime":
        return value.isoformat()
    if kind == "categorical":
        return canonical(value)
    number = float(str(np.float32(value)))
    return {"boolean": bool, "integer": int, "numeric": float}[kind](number)


def _some(left_out: dict[str, str]) -> str:
    shown = "; ".join(f"{name}: {reason}" for name, reason in list(left_out.items())[:5])
    return shown or "the table has no other column"
