"""What a table holds, in numbers: its columns, its target, how they move over time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from contracts.params import Kind, Task
from pipeline.validation.findings import shown
from pipeline.validation.raw_columns import Column

SAMPLE_ROWS = 200_000
SAMPLE_CELLS = 20_000_000  # of wide tables fewer rows, so that a sample stays below 100 MB
LEAST_SAMPLE = 5_000
TOP = 3
DAYS, WEEKS = 92, 730  # up to so many days, rows are counted by day, by week, then by month
CLASSES = 8  # of a target, that pictures tell apart
OTHER = "(other)"


@dataclass(frozen=True)
class ColumnProfile:
    """Exact figures of one column.

    Attributes:
        missing: share of the labelled rows.
        low, middle, high: minimum, median and maximum of what is ordered, as text.
        top: the commonest values and their counts, of what is not.
        association: see pipeline/validation/association.py; None for the target, or where it
            is unknown.
    """

    name: str
    kind: Kind
    missing: float
    distinct: int
    low: str = ""
    middle: str = ""
    high: str = ""
    top: tuple[tuple[str, int], ...] = ()
    example: str = ""
    association: float | None = None


@dataclass(frozen=True)
class Profile:
    """A table for a person to look at.

    Attributes:
        rows: read; of these `without_outcome` have no target and count nowhere else.
        columns: features in the order of params.yaml.
        sample: typed features of rows drawn evenly, at most SAMPLE_ROWS.
        answers: target of the sample, texts of classes or float64.
        period: first and last moment; None without a timestamp.
        by_time: start of a period, "rows", and "mean" or the share of each class.
        megabytes: of the files, and of the typed columns in memory.
    """

    rows: int
    without_outcome: int
    task: Task
    classes: tuple[str, ...]
    columns: tuple[ColumnProfile, ...]
    target: ColumnProfile
    sample: pd.DataFrame
    answers: pd.Series
    period: tuple[str, str] | None
    by_time: pd.DataFrame | None
    megabytes: tuple[float, float]

    @property
    def relevant(self) -> list[ColumnProfile]:
        """Features by their association with the target, strongest first."""
        return sorted(self.columns, key=lambda column: -(column.association or 0.0))


def sample_rows(rows: int, columns: int, generator: np.random.Generator) -> np.ndarray:
    """Sorted positions, drawn uniformly without replacement: int64 (at most SAMPLE_ROWS,)."""
    size = min(SAMPLE_ROWS, max(LEAST_SAMPLE, SAMPLE_CELLS // max(columns, 1)))
    if rows <= size:
        return np.arange(rows)
    return np.sort(generator.choice(rows, size, replace=False))


def profile_column(column: Column, association: float | None = None) -> ColumnProfile:
    """Figures over all labelled rows."""
    values = column.values.dropna()
    missing = 1 - len(values) / len(column.values) if len(column.values) else 0.0
    if values.empty:
        return ColumnProfile(column.name, column.kind, missing, 0, association=association)
    example = plain(values.iloc[len(values) // 2])
    if column.kind in ("categorical", "boolean"):
        counts = values.value_counts()
        top = tuple((shown(plain(value)), int(n)) for value, n in counts.head(TOP).items())
        return ColumnProfile(column.name, column.kind, missing, len(counts), top=top,
                             example=shown(example), association=association)  # fmt: skip
    low, middle, high = (plain(each) for each in (values.min(), values.median(), values.max()))
    return ColumnProfile(column.name, column.kind, missing, int(values.nunique()),
                         low, middle, high, (), example, association)  # fmt: skip


def plain(value: object) -> str:
    """A value as a person writes it."""
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float | np.floating):
        return f"{float(value):.6g}"
    return str(value)


def over_time(times: Column, target: Column, classes: Sequence[str]) -> pd.DataFrame | None:
    """Rows and mean target (or share of each class) by day, week or month, whichever suits.

    Returns:
        Index: start of each period with a row; columns "rows" and "mean", or one per class.
        None if there is no moment.
    """
    moments = times.values.dt.tz_localize(None)
    span = moments.max() - moments.min()
    if pd.isna(span):
        return None
    unit = "D" if span.days <= DAYS else "W" if span.days <= WEEKS else "M"
    periods = moments.dt.to_period(unit).dt.start_time
    counts: pd.DataFrame = periods.value_counts().sort_index().rename("rows").to_frame()
    for name, values in _indicators(target, classes).items():
        counts[name] = values.groupby(periods).mean()
    return counts


def _indicators(target: Column, classes: Sequence[str]) -> dict[str, pd.Series]:
    """What is averaged: the number itself, or whether a row is of the class."""
    if not classes:
        return {"mean": target.values}
    wanted = classes[-1:] if len(classes) == 2 else classes[:CLASSES]
    return {label: (target.values == label).astype(np.float64) for label in wanted}
