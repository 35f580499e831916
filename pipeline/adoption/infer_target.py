"""What is asked: the task, its classes and their order."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from contracts.params import ClassLabel, Task
from pipeline.adoption.infer_columns import Column, sampled_texts, texts_of
from pipeline.columns import canonical
from pipeline.frames import DatasetError

MIN_ROWS = 40
MIN_CLASS_ROWS = 10
MOST_CLASSES = 1000
# Whole numbers up to this many, nearly all of them frequent, are classes rather than amounts.
FEW = 20
FREQUENT_SHARE = 0.95
EXACT = 1 << 53
SHOWN = 3
POSITIVE = ("1", "yes", "y", "true", "t", "on", "positive", "pos", "present", "success", "churn",
            "churned", "default", "fraud", "spam", "malignant", "bad", "late", "failed", "failure",
            "died", "dead", "sick", "abnormal")  # fmt: skip
NEGATIVE = ("0", "-1", "no", "n", "false", "f", "off", "negative", "neg", "absent", "normal",
            "none", "good", "benign", "ok", "alive", "healthy", "ham")  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """The target as params.yaml describes it, and `truths`, the sample's for looking at leaks.

    `counts` holds the rows of each class, in the order of `classes`.
    """

    name: str
    task: Task
    rows: int
    classes: tuple[ClassLabel, ...] = ()
    ignored: tuple[ClassLabel, ...] = ()
    counts: tuple[int, ...] = ()
    decimal: Literal[".", ","] = "."
    why: str = ""
    truths: pd.Series | None = None


def infer_target(table: Path, column: Column, sampled: np.ndarray, task: Task | None) -> Answer:
    """Decide the task and its classes.

    Args:
        column: the target as `examine` saw it.
        sampled: numbers of the rows that `examine` sampled.
        task: as asked for; none: inferred.

    Raises:
        DatasetError: too few rows or classes, too many classes, or the task does not fit.
    """
    name = column.name
    marks = len(column.reading.missing)
    labelled = column.rows - column.missing
    if column.distinct + marks == 0:
        raise DatasetError(f"{name}: the target is missing in every row")
    if column.distinct + marks == 1:
        raise DatasetError(f"{name}: the target has only one value; nothing can be learned")
    if labelled < MIN_ROWS:
        raise DatasetError(f"{name}: {labelled} labelled rows; at least {MIN_ROWS} are needed")
    counts = _counts(table, column)
    decided, why = (task, "as asked for") if task else _task(column, counts)
    if decided == "regression":
        return _amount(column, labelled, why)
    if counts is None:
        raise DatasetError(
            f"{name}: {column.distinct} distinct values as classes; at most {MOST_CLASSES} are "
            "possible; choose another target"
            + (" or --task regression" if _numbers(column) else "")
        )
    answer = _classes(column, counts, decided, task)
    return replace(answer, truths=_numbered(sampled_texts(table, name, sampled), answer, column))


def _counts(table: Path, column: Column) -> Counter[str] | None:
    """Rows of each distinct text; none where there are too many to be classes."""
    if column.distinct + len(column.reading.missing) > MOST_CLASSES:
        return None
    return texts_of(table, column.name)


def _numbers(column: Column) -> bool:
    return column.kind in ("integer", "numeric")


def _task(column: Column, counts: Counter[str] | None) -> tuple[Task, str]:
    distinct = column.distinct
    if distinct == 2:
        return "binary", "two distinct values"
    if not _numbers(column):
        return "multiclass", f"{distinct} distinct texts"
    if counts is None or distinct > FEW:
        return "regression", f"{distinct} distinct numbers"
    numbers = {t: rows for t, rows in counts.items() if t not in column.reading.missing}
    frequent = [rows for rows in numbers.values() if rows >= MIN_CLASS_ROWS]
    if any(_whole(text) is None for text in numbers):
        return "regression", "numbers with fractions"
    if len(frequent) > 1 and sum(frequent) >= FREQUENT_SHARE * sum(numbers.values()):
        return "multiclass", f"{distinct} distinct whole numbers, each frequent"
    return "regression", f"{distinct} distinct numbers, many of them rare"


def _whole(text: str) -> int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() and abs(number) < EXACT else None


def _amount(column: Column, labelled: int, why: str) -> Answer:
    if not _numbers(column):
        raise DatasetError(
            f"{column.name}: regression needs numbers; it holds {column.kind} values"
        )
    if column.reading.missing:
        raise DatasetError(
            f"{column.name}: besides numbers it holds {list(column.reading.missing)[:SHOWN]}; "
            "leave the target empty where it is unknown"
        )
    decimal: Literal[".", ","] = "," if column.reading.decimal == "," else "."
    truths = column.sample.astype(np.float64)
    return Answer(column.name, "regression", labelled, decimal=decimal, why=why, truths=truths)


def _classes(column: Column, counts: Counter[str], task: Task, asked: Task | None) -> Answer:
    labels = _labels(column, list(counts))
    rows: Counter[ClassLabel] = Counter()
    for text, count in counts.items():
        rows[labels[text]] += count
    marks = {labels[text] for text in column.reading.missing if text in labels}
    kept = [each for each, n in rows.items() if n >= MIN_CLASS_ROWS and each not in marks]
    ignored = sorted((each for each in rows if each not in kept), key=str)
    kept = _order(kept, rows)
    _check_classes(column.name, task, asked, kept, rows, ignored)
    decided: Task = "binary" if len(kept) == 2 else "multiclass"
    return Answer(
        column.name, decided, sum(rows[each] for each in kept), tuple(kept), tuple(ignored),
        tuple(rows[each] for each in kept),
        why="as asked for" if asked else f"{len(rows)} distinct values",
    )  # fmt: skip


def _numbered(texts: list[str | None], answer: Answer, column: Column) -> pd.Series:
    """float64: the number of each row's class, NaN where it has none of them."""
    labels = _labels(column, sorted({text for text in texts if text is not None}))
    numbers = {label: float(i) for i, label in enumerate(answer.classes)}
    found = {text: numbers.get(label, np.nan) for text, label in labels.items()}
    return pd.Series([np.nan if text is None else found[text] for text in texts], dtype=np.float64)


def _labels(column: Column, texts: list[str]) -> dict[str, ClassLabel]:
    """The class of each text: a whole number where all are, otherwise the text itself."""
    if column.typed_boolean:
        return {"True": 1, "False": 0}
    marks = set(column.reading.missing)
    whole = {text: _whole(text) for text in texts if text not in marks}
    exact = all(number is not None for number in whole.values()) and column.kind != "categorical"
    labels: dict[str, ClassLabel] = {}
    for text in texts:
        number = whole.get(text)
        labels[text] = number if exact and number is not None else canonical(text)
    return labels


def _order(kept: list[ClassLabel], rows: Counter[ClassLabel]) -> list[ClassLabel]:
    """Ascending; of two, the positive one last: by its meaning, otherwise the rarer one."""
    if all(isinstance(each, int) for each in kept):
        ascending = sorted(kept, key=lambda each: int(each))
    else:
        ascending = sorted(kept, key=str)
    if len(ascending) != 2 or ascending in ([0, 1], [-1, 1]):
        return ascending
    if all(isinstance(each, int) for each in kept):
        return sorted(ascending, key=lambda each: -rows[each])
    return sorted(ascending, key=lambda each: (_meaning(str(each)), -rows[each]))


def _meaning(label: str) -> int:
    """-1: a word for no; 1: a word for yes; 0: neither."""
    word = label.strip().lower()
    if word in NEGATIVE or word.startswith(("no ", "not ", "non", "no_", "no-", "not_")):
        return -1
    return int(word in POSITIVE)


def _check_classes(
    name: str, task: Task, asked: Task | None, kept: list[ClassLabel],
    rows: Counter[ClassLabel], ignored: list[ClassLabel],
) -> None:  # fmt: skip
    rare = {each: rows[each] for each in ignored[:SHOWN]}
    least = {"binary": 2, "multiclass": 3}[task] if asked else 2
    if len(kept) < least:
        raise DatasetError(
            f"{name}: {len(kept)} classes have {MIN_CLASS_ROWS} rows or more, {task} needs {least}"
            f"; rows of the rarest: {rare}"
        )
    if sum(rows[each] for each in kept) < MIN_ROWS:
        raise DatasetError(
            f"{name}: fewer than {MIN_ROWS} rows of classes that are frequent enough"
        )
    if asked == "binary" and len(kept) != 2:
        raise DatasetError(
            f"{name}: --task binary needs two classes, it has {len(kept)}: {kept[:SHOWN]}; "
            "choose --task multiclass"
        )
