"""Rules of whole rows: their labels, their time, and equal rows.

Rows are compared by a hash of 64 bits, so that millions fit; that two different rows among five
million share one happens once in a million tables.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from pandas.util import hash_array

from contracts.params import Data, Params, Severity
from pipeline.columns import canonical
from pipeline.validation.findings import Example, Finding, Rule, share
from pipeline.validation.raw_columns import Column
from pipeline.validation.raw_parts import Part, place, rows_of
from pipeline.validation.rules import ColumnRule, broken, level, range_rule

Hashes = np.ndarray  # uint64 (n,)
MIX = np.uint64(0x9E3779B97F4A7C15)


def hash_rows(columns: Sequence[pd.Series], start: Hashes | None = None) -> Hashes:
    """One number per row; equal values in the same order give equal numbers.

    Args:
        columns: typed, n rows each; missing values equal each other.
        start: what other columns gave.
    """
    found = start
    for column in columns:
        if column.dtype == object:
            codes, texts = pd.factorize(column)
            each = np.append(hash_array(np.asarray(texts, dtype=object)), np.uint64(0))[codes]
        else:
            plain = column.dt.tz_localize(None) if hasattr(column, "dt") else column
            each = hash_array(plain.to_numpy())
        found = each if found is None else found * MIX + each
    return np.zeros(0, np.uint64) if found is None else found


def label_findings(
    target: Column, params: Params, wanted: Mapping[Rule, Severity], parts: Sequence[Part]
) -> list[Finding]:
    """Rows without a target, unknown or rare classes; targets that are no or always one number."""
    if wanted["labels"] == "off":
        return []
    data, rows = params.data, sum(part.rows for part in parts)
    findings = []
    without = rows - rows_of(parts)
    if share(without, rows) > params.validation.max_missing or without == rows:
        message = f"{data.target}: {without} of {rows} rows have none; collect more outcomes"
        findings.append(_labels(data, wanted, without, rows, message))
    if rows_of(parts) == 0:
        return findings
    if data.task == "regression":
        return findings + _numbers(target, params, wanted, parts)
    return findings + _classes(target, params, wanted, parts)


def _numbers(
    target: Column, params: Params, wanted: Mapping[Rule, Severity], parts: Sequence[Part]
) -> list[Finding]:
    name = target.name
    rule = ColumnRule(
        "labels",
        lambda _: ~(target.unreadable | target.boundless),
        f"are no finite numbers (decimal sign {params.data.decimal!r})",
        "mend them, empty them, or set data.decimal",
        refused=True,
    )
    limits = params.validation.ranges.get(name)
    ranges = [range_rule(name, *limits)] if limits else []
    findings = broken(target, [rule, *ranges], wanted, parts)
    if target.values.nunique() == 1:
        same = target.values.dropna().iloc[0]
        message = f"{name}: is {same:g} in every row; nothing can be learned"
        findings.append(_labels(params.data, wanted, len(target.values), rows_of(parts), message))
    return findings


def _classes(
    target: Column, params: Params, wanted: Mapping[Rule, Severity], parts: Sequence[Part]
) -> list[Finding]:
    data, least = params.data, params.validation.min_class_rows
    classes = [canonical(label) for label in data.classes]
    known = {*classes, *(canonical(label) for label in data.ignored_classes)}
    rule = ColumnRule(
        "labels",
        lambda values: values.isin(known).to_numpy(),
        f"are none of the classes {data.classes}",
        "mend them, or list them under data.classes or data.ignored_classes",
        refused=True,
    )
    findings = broken(target, [rule], wanted, parts)
    counts = target.values.value_counts()
    for label in classes:
        count = int(counts.get(label, 0))
        if count < least:
            message = (
                f"{data.target}: the class {label!r} has {count} rows, fewer than "
                f"validation.min_class_rows ({least}); collect more, or remove it from data.classes"
            )
            findings.append(_labels(data, wanted, count, rows_of(parts), message))
    return findings


def _labels(
    data: Data, wanted: Mapping[Rule, Severity], count: int, rows: int, message: str
) -> Finding:
    severity = level("labels", wanted)
    return Finding("labels", severity, data.target, count, share(count, rows), message)


def time_findings(
    times: Column, data: Data, wanted: Mapping[Rule, Severity], parts: Sequence[Part]
) -> list[Finding]:
    """Moments that cannot be read or are missing, or in the raw table not before `until`."""
    if data.timestamp is None or wanted["time_order"] == "off":
        return []
    name, until = times.name, pd.Timestamp(data.until, tz="UTC")
    raw = np.arange(len(times.values)) < len(parts[0].labelled)  # outcomes are newer
    rules = [
        ColumnRule("time_order", lambda _: ~times.unreadable, "are no moments in time",
                   "mend them, or set data.day_first", refused=True),
        ColumnRule("time_order", lambda _: ~times.absent, "are missing",
                   "fill them, or set data.timestamp to another column", refused=True),
        ColumnRule("time_order", lambda values: ~(raw & (values >= until).to_numpy()),
                   f"are not before data.until ({data.until})",
                   "take them out of the source, or move data.until"),
    ]  # fmt: skip
    findings = broken(times, rules, wanted, parts)
    early = np.flatnonzero((times.values[raw].diff() < pd.Timedelta(0)).to_numpy())
    if len(early):
        message = (
            f"{name}: {len(early)} of {raw.sum()} rows are older than the row before them; "
            "that does no harm, for rows are sorted by time"
        )
        examples = tuple(Example(*place(parts, int(i)), times.shown(int(i))) for i in early[:5])
        findings.append(Finding("time_order", "info", name, len(early),
                                share(len(early), int(raw.sum())), message, examples))  # fmt: skip
    return findings


def duplicate_findings(
    hashes: Hashes, params: Params, wanted: Mapping[Rule, Severity], parts: Sequence[Part]
) -> list[Finding]:
    """Rows that equal an earlier one in every column that the pipeline reads."""
    again = np.flatnonzero(pd.Series(hashes).duplicated().to_numpy())
    found, limit = share(len(again), len(hashes)), params.validation.max_duplicates
    if wanted["duplicates"] == "off" or found <= limit:
        return []
    message = (
        f"{len(again)} of {len(hashes)} rows equal an earlier row in every column, more than "
        f"validation.max_duplicates ({limit:g}); remove them from the source, or raise the limit"
    )
    examples = tuple(Example(*place(parts, int(i)), "equals an earlier row") for i in again[:5])
    severity = level("duplicates", wanted)
    return [Finding("duplicates", severity, None, len(again), found, message, examples)]
