"""Every rule on a whole table, and its profile. The stage and the notebook share this."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contracts.params import Params, Severity
from pipeline.columns import canonical
from pipeline.profiling.profile import Profile, over_time, plain, profile_column
from pipeline.validation.findings import Finding, Rule, in_order, severities
from pipeline.validation.overlap import overlap_findings
from pipeline.validation.raw_parts import rows_of
from pipeline.validation.row_rules import (
    duplicate_findings,
    hash_rows,
    label_findings,
    time_findings,
)
from pipeline.validation.rules import require_ranges_fit
from pipeline.validation.scan import Scan, read_groups, scan
from pipeline.validation.schema_rules import absent_columns

MEGABYTE = 2**20


@dataclass(frozen=True)
class Inspection:
    """What was found in a table, worst first, and what it holds."""

    findings: list[Finding]
    profile: Profile


def inspect_table(
    raw: Path, outcomes: Path, params: Params, *, progress: bool = False
) -> Inspection:
    """Check every rule and describe every column; the same files give the same answer.

    Args:
        raw: what ingest wrote.
        outcomes: directory of snapshots.
        progress: show a bar on stderr.

    Raises:
        ParamsError: params.validation names an unknown rule or a column without numbers.
        DatasetError: a file is missing or is not Parquet.
    """
    wanted = severities(params.validation.rules)
    kinds: dict[str, str] = {name: f.kind for name, f in params.features.items()}
    if params.data.task == "regression":
        kinds[params.data.target] = "numeric"
    require_ranges_fit(params.validation, kinds)
    seen = scan(raw, outcomes, params, wanted, progress=progress)
    findings = [
        *absent_columns(seen.parts, params, wanted),
        *label_findings(seen.target, params, wanted, seen.parts),
        *seen.findings,
        *_row_findings(seen, params, wanted),
    ]
    return Inspection(in_order(findings), _profile(seen, params))


def _row_findings(seen: Scan, params: Params, wanted: Mapping[Rule, Severity]) -> list[Finding]:
    if rows_of(seen.parts) == 0:
        return []
    data, parts = params.data, seen.parts
    answered = hash_rows([seen.target.values], seen.hashes)
    others = [seen.times.values]
    groups = None
    if data.id is not None and data.id in parts[0].columns:
        groups = read_groups(parts, data.id)
        others.append(groups)
    return [
        *time_findings(seen.times, data, wanted, parts),
        *duplicate_findings(hash_rows(others, answered), params, wanted, parts),
        *overlap_findings(seen.hashes, answered, seen.target, seen.times, groups, params,
                          wanted, parts),
    ]  # fmt: skip


def _profile(seen: Scan, params: Params) -> Profile:
    data, moments = params.data, seen.times.values
    classes = tuple(canonical(label) for label in data.classes)
    rows = sum(part.rows for part in seen.parts)
    timed = data.timestamp is not None and bool(moments.notna().any())
    on_disk = sum(part.path.stat().st_size for part in seen.parts)
    return Profile(
        rows=rows,
        without_outcome=rows - rows_of(seen.parts),
        task=data.task,
        classes=classes,
        columns=tuple(seen.profiles),
        target=profile_column(seen.target),
        sample=seen.sample,
        answers=seen.answers,
        period=(plain(moments.min()), plain(moments.max())) if timed else None,
        by_time=over_time(seen.times, seen.target, classes) if timed else None,
        megabytes=(on_disk / MEGABYTE, seen.size / MEGABYTE),
    )
