"""The only file that knows Evidently: compares two windows, draws the report, judges columns.

Runs as its own process (`python -m monitoring.drift`), because Evidently takes 270 MB and seconds
to import, and a column that it cannot digest must not take the scheduler down.

The methods are named, so that a result does not depend on how many rows the reference has, which
is what Evidently's defaults do.
"""

import argparse
import html
import json
from pathlib import Path
from typing import Any

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset, DataSummaryPreset

from contracts.schema import FeatureSchema

NUMERIC_METHOD = "wasserstein"  # divided by the reference's standard deviation
CATEGORICAL_METHOD = "jensenshannon"
THRESHOLD = 0.1


def compare(
    reference: pd.DataFrame, current: pd.DataFrame, schema: FeatureSchema, report: Path
) -> dict[str, Any]:
    """Write the report and say which columns drifted.

    Args:
        reference: the bundle's sample: features and schema.answers.
        current: the window, the same columns; a feature may be absent or all missing.

    Returns:
        `columns`: name -> {distance, drifted}; `not_judged`: name -> why; `vanished`: those of
        them that the reference has; `share` of drifted and vanished ones among both;
        `missing`: name -> [share in reference, share in current].
    """
    not_judged = _find_unusable(reference, current, schema)
    answers = _name_answers(schema)
    numeric = [n for n in [*schema.numeric, *answers] if n not in not_judged]
    text = [n for n in schema.categorical if n not in not_judged]
    names = {
        name: f"{i:02d} {html.escape(answers.get(name, name))}"
        for i, name in enumerate([*numeric, *text])
    }
    definition = DataDefinition(
        numerical_columns=[names[n] for n in numeric], categorical_columns=[names[n] for n in text]
    )
    frames = [
        Dataset.from_pandas(_safe(frame, numeric, text, names), data_definition=definition)
        for frame in (current, reference)
    ]
    preset = DataDriftPreset(
        num_method=NUMERIC_METHOD,
        num_threshold=THRESHOLD,
        cat_method=CATEGORICAL_METHOD,
        cat_threshold=THRESHOLD,
    )
    snapshot = Report([preset, DataSummaryPreset()]).run(*frames)
    snapshot.save_html(str(report))  # a Path would silently write nothing
    columns = {
        answers.get(name, name): found for name, found in _distances(snapshot.dict(), names).items()
    }
    vanished = [n for n in not_judged if _has_values(reference, n)]
    drifted = sum(column["drifted"] for column in columns.values()) + len(vanished)
    judged = len(columns) + len(vanished)
    return {
        "columns": columns,
        "share": drifted / judged if judged else None,
        "vanished": vanished,
        "not_judged": not_judged,
        "missing": _missing_shares(reference, current, schema),
    }


def _name_answers(schema: FeatureSchema) -> dict[str, str]:
    """Columns of answers that are compared, and how people know them.

    The first of two classes would only mirror the second. No name may hide a feature's.
    """
    outputs = list(zip(schema.answers, schema.target.outputs, strict=True))
    if schema.target.task == "binary":
        shown = {schema.answers[-1]: "probability"}
    elif schema.target.task == "regression":
        shown = {schema.answers[0]: "prediction"}
    else:
        shown = {column: f"probability of {output}" for column, output in outputs}
    return {c: f"{n} (answered)" if n in schema.names else n for c, n in shown.items()}


def _find_unusable(
    reference: pd.DataFrame, current: pd.DataFrame, schema: FeatureSchema
) -> dict[str, str]:
    """Columns on which Evidently would raise, and why."""
    found = {}
    moments = set(schema.datetimes)  # they move on by nature
    for name in [*(n for n in schema.names if n not in moments), *_name_answers(schema)]:
        for side, frame in (("reference", reference), ("current window", current)):
            if name not in frame:
                found[name] = f"absent in the {side}"
            elif frame[name].isna().all():
                found[name] = f"all values missing in the {side}"
    return found


def _has_values(frame: pd.DataFrame, name: str) -> bool:
    return name in frame and bool(frame[name].notna().any())


def _safe(
    frame: pd.DataFrame, numeric: list[str], text: list[str], names: dict[str, str]
) -> pd.DataFrame:
    """Only judged columns, plain types; text escaped, as Evidently puts it into HTML as it is."""
    numbers = {names[n]: pd.to_numeric(frame[n]).astype(float) for n in numeric}
    words = {
        names[n]: frame[n].map(lambda v: html.escape(str(v)), na_action="ignore").astype(object)
        for n in text
    }
    return pd.DataFrame(numbers | words)


def _distances(result: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    originals = {shown: name for name, shown in names.items()}
    found = {}
    for metric in result["metrics"]:
        column = metric["config"].get("column")
        if column in originals and "ValueDrift" in metric["config"]["type"]:
            distance = float(metric["value"])
            found[originals[column]] = {
                "distance": round(distance, 4),
                "drifted": distance >= THRESHOLD,
            }
    return found


def _missing_shares(
    reference: pd.DataFrame, current: pd.DataFrame, schema: FeatureSchema
) -> dict[str, list[float]]:
    """Evidently drops missing values before it compares, so they are reported here."""
    return {
        name: [round(float(frame[name].isna().mean()), 4) for frame in (reference, current)]
        for name in schema.names
        if name in reference and name in current
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m monitoring.drift", description=__doc__)
    parser.add_argument("--reference", type=Path, required=True, help="read: parquet")
    parser.add_argument("--current", type=Path, required=True, help="read: parquet")
    parser.add_argument("--schema", type=Path, required=True, help="read: JSON")
    parser.add_argument("--report", type=Path, required=True, help="written: HTML")
    parser.add_argument("--findings", type=Path, required=True, help="written: JSON")
    arguments = parser.parse_args()
    findings = compare(
        pd.read_parquet(arguments.reference),
        pd.read_parquet(arguments.current),
        FeatureSchema.from_json(arguments.schema.read_bytes()),
        arguments.report,
    )
    arguments.findings.write_text(json.dumps(findings, indent=1) + "\n")


if __name__ == "__main__":
    main()
