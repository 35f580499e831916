"""One pass over a table, a column at a time: five million rows need no more memory than one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from contracts.params import Params, Severity
from pipeline.columns import as_texts
from pipeline.profiling.profile import ColumnProfile, profile_column, sample_rows
from pipeline.validation.association import association
from pipeline.validation.findings import Finding, Rule
from pipeline.validation.raw_columns import Column, read_feature, read_target, read_times
from pipeline.validation.raw_parts import Part, open_parts, read_column, rows_of
from pipeline.validation.row_rules import hash_rows
from pipeline.validation.rules import broken, feature_rules, level

SEED = 0


@dataclass(frozen=True)
class Scan:
    """What one pass leaves behind.

    Attributes:
        profiles: of the features that a file has.
        sample: typed features of the rows that were drawn.
        answers: target of the sample.
        hashes: uint64 (n,), of each labelled row's features.
        size: bytes of the typed columns.
    """

    parts: list[Part]
    target: Column
    times: Column
    findings: list[Finding]
    profiles: list[ColumnProfile]
    sample: pd.DataFrame
    answers: pd.Series
    hashes: np.ndarray
    size: int


def scan(
    raw: Path,
    outcomes: Path,
    params: Params,
    wanted: Mapping[Rule, Severity],
    *,
    progress: bool = False,
) -> Scan:
    """Read each column once: check its rules, describe, hash and sample it.

    Raises:
        DatasetError: a file is missing or is not Parquet.
    """
    parts = open_parts(raw, outcomes, params.data.target)
    target, times = read_target(parts, params.data), read_times(parts, params.data)
    rows = sample_rows(rows_of(parts), len(params.features), np.random.default_rng(SEED))
    answers = target.values.iloc[rows].reset_index(drop=True)
    findings: list[Finding] = []
    profiles, sample, size = [], {}, 0
    hashes = np.zeros(rows_of(parts), np.uint64)
    for column in _features(parts, params, progress):
        part_of_sample = column.values.iloc[rows].reset_index(drop=True)
        strength = association(part_of_sample, column.kind, answers, params.data.task)
        findings += _column_findings(column, strength, params, wanted, parts)
        profiles.append(profile_column(column, strength))
        sample[column.name] = part_of_sample
        hashes = hash_rows([column.values], hashes)
        size += int(column.values.memory_usage(index=False))
    frame = pd.DataFrame(sample, index=answers.index)
    return Scan(parts, target, times, findings, profiles, frame, answers, hashes, size)


def read_groups(parts: Sequence[Part], name: str) -> pd.Series:
    """Texts of the id; a row without one is a group by itself."""
    ids = pd.concat([as_texts(read_column(part, name)) for part in parts], ignore_index=True)
    own = pd.Series(ids.index, ids.index).map("row {}".format)
    return ids.map("id {}".format, na_action="ignore").fillna(own)


def _features(parts: Sequence[Part], params: Params, progress: bool) -> Iterable[Column]:
    names = [n for n in params.features if any(n in part.columns for part in parts)]
    for name in tqdm(names, desc="validate", unit=" columns", disable=not progress):
        yield read_feature(parts, name, params.features[name])


def _column_findings(
    column: Column,
    strength: float | None,
    params: Params,
    wanted: Mapping[Rule, Severity],
    parts: Sequence[Part],
) -> list[Finding]:
    if column.values.empty:
        return []
    rules = feature_rules(column, params.features[column.name], params.validation)
    findings = broken(column, rules, wanted, parts)
    limit = params.validation.max_association
    if wanted["leakage"] != "off" and strength is not None and strength >= limit:
        message = (
            f"{column.name}: determines {params.data.target} alone (association {strength:.4f}, "
            f"validation.max_association {limit:g}); remove it if it is known only with the outcome"
        )
        severity, count = level("leakage", wanted), int(column.values.notna().sum())
        findings.append(Finding("leakage", severity, column.name, count, 1.0, message))
    return findings
