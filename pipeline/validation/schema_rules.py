"""Whether a table has the columns that params.yaml names."""

from collections.abc import Mapping, Sequence

import pandas as pd
import pandera.pandas as pa

from contracts.params import Params, Severity
from pipeline.validation.findings import Finding, Rule
from pipeline.validation.raw_parts import Part
from pipeline.validation.rules import level


def absent_columns(
    parts: Sequence[Part], params: Params, wanted: Mapping[Rule, Severity]
) -> list[Finding]:
    """One finding for each column that a file lacks; snapshots of outcomes need no id."""
    if wanted["schema"] == "off":
        return []
    data = params.data
    needed = [*params.features, data.target, *([data.timestamp] if data.timestamp else [])]
    findings = []
    for i, part in enumerate(parts):
        names = [*needed, data.id] if i == 0 and data.id else needed
        for name in _absent(part, names):
            message = (
                f"{name}: {part.path.name} has no such column, only {sorted(part.columns)[:20]}; "
                "rename it in the source, or take it out of params.yaml"
            )
            severity = level("schema", wanted, refused=True)
            findings.append(Finding("schema", severity, name, part.rows, 1.0, message))
    return findings


def _absent(part: Part, names: Sequence[str]) -> list[str]:
    schema = pa.DataFrameSchema({name: pa.Column() for name in names})
    try:
        schema.validate(pd.DataFrame(columns=sorted(part.columns)), lazy=True)
    except pa.errors.SchemaErrors as errors:
        absent = set(errors.failure_cases["failure_case"])
        return [name for name in names if name in absent]
    return []
