"""The only file that knows Evidently: compares two windows and draws the report.

Runs as its own process (`python -m monitoring.drift`), because Evidently takes 270 MB and seconds
to import, and a column that it cannot digest must not take the scheduler down.

The methods are named, so that a result does not depend on how many rows the reference has, which
is what Evidently's defaults do. Its page has all values of the compared columns in it, unescaped:
it gets none but those of plain_text.py.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from evidently import DataDefinition, Dataset, Report
from evidently.presets import DataDriftPreset, DataSummaryPreset

from contracts.schema import FeatureSchema
from monitoring.plain_text import plain, plain_values, type_column

NUMERIC_METHOD = "wasserstein"  # divided by the reference's standard deviation
CATEGORICAL_METHOD = "jensenshannon"
THRESHOLD = 0.1
MOST_ANSWERS = 3  # classes whose probabilities are compared
LEAST_MISSING = 0.005  # difference of the missing shares that is told

Frames = tuple[pd.DataFrame, pd.DataFrame]  # reference, current window


def compare(
    reference: pd.DataFrame,
    current: pd.DataFrame,
    schema: FeatureSchema,
    features: Sequence[str],
    report: Path,
) -> dict[str, Any]:
    """Write the report and say how far columns are apart.

    Args:
        reference: the bundle's sample: features and schema.answers.
        current: the window, the same columns; a feature may be absent or all missing.
        features: those that the report is about, besides the answers.

    Returns:
        `columns`: name -> {distance, drifted}; `not_judged`: name -> why; `vanished`: those of
        them that the reference has; `share` of drifted and vanished ones among both;
        `missing`: name -> [share in reference, share in current], where they differ.
    """
    answers = dict(list(_name_answers(schema).items())[:MOST_ANSWERS])
    wanted = [n for n in features if n not in schema.datetimes]  # they move on by nature
    frames = _typed((reference, current), [*wanted, *answers], schema)
    not_judged = _find_unusable(frames, [*wanted, *answers])
    compared = [n for n in [*wanted, *answers] if n not in not_judged]
    names = {n: f"{i:02d} {plain(answers.get(n, n))}" for i, n in enumerate(compared)}
    text = [n for n in compared if n in schema.categorical]
    found = draw(_plain(frames, text, names), [names[n] for n in text], report)
    columns = {answers.get(name, name): found[shown] for name, shown in names.items()}
    vanished = [n for n in not_judged if _has_values(frames[0], n)]
    drifted = sum(column["drifted"] for column in columns.values()) + len(vanished)
    judged = len(columns) + len(vanished)
    return {
        "columns": columns,
        "share": drifted / judged if judged else None,
        "vanished": [answers.get(name, name) for name in vanished],
        "not_judged": {answers.get(name, name): why for name, why in not_judged.items()},
        "missing": _missing_shares(frames, wanted),
    }


def draw(frames: Frames, text: Sequence[str], report: Path) -> dict[str, dict[str, Any]]:
    """Let Evidently write its page of two frames with the same columns, floats and `text`.

    It escapes nothing: whoever can choose a value of these frames chooses what the page does.

    Returns:
        Column -> {distance, drifted}.
    """
    reference, current = frames
    definition = DataDefinition(
        numerical_columns=[n for n in reference if n not in text], categorical_columns=list(text)
    )
    sets = [Dataset.from_pandas(f, data_definition=definition) for f in (current, reference)]
    preset = DataDriftPreset(
        num_method=NUMERIC_METHOD,
        num_threshold=THRESHOLD,
        cat_method=CATEGORICAL_METHOD,
        cat_threshold=THRESHOLD,
    )
    snapshot = Report([preset, DataSummaryPreset()]).run(*sets)
    snapshot.save_html(str(report))  # a Path would silently write nothing
    return _distances(snapshot.dict())


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


def _typed(frames: Frames, names: Sequence[str], schema: FeatureSchema) -> Frames:
    """Only these columns, as far as a frame has them; what is no number is missing."""
    reference, current = (
        pd.DataFrame({n: type_column(f[n], n, schema) for n in names if n in f}) for f in frames
    )
    return reference, current


def _find_unusable(frames: Frames, names: Sequence[str]) -> dict[str, str]:
    """Columns on which Evidently would raise, and why."""
    found = {}
    for name in names:
        for side, frame in zip(("reference", "current window"), frames, strict=True):
            if name not in frame:
                found[name] = f"absent in the {side}"
            elif frame[name].isna().all():
                found[name] = f"all values missing in the {side}"
    return found


def _has_values(frame: pd.DataFrame, name: str) -> bool:
    return name in frame and bool(frame[name].notna().any())


def _plain(frames: Frames, text: Sequence[str], names: dict[str, str]) -> Frames:
    """The compared columns by the names that the report has for them, with plain values."""
    values = {n: [frame[n] for frame in frames] for n in names}
    values |= {n: plain_values(values[n]) for n in text}
    reference, current = (
        pd.DataFrame({names[n]: columns[side] for n, columns in values.items()}) for side in (0, 1)
    )
    return reference, current


def _distances(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = {}
    for metric in result["metrics"]:
        if "ValueDrift" in metric["config"]["type"]:
            distance = float(metric["value"])
            found[metric["config"]["column"]] = {
                "distance": round(distance, 4),
                "drifted": distance >= THRESHOLD,
            }
    return found


def _missing_shares(frames: Frames, names: Sequence[str]) -> dict[str, list[float]]:
    """Evidently drops missing values before it compares, so they are reported here."""
    shares = {
        n: [round(float(frame[n].isna().mean()), 4) for frame in frames]
        for n in names
        if all(n in frame for frame in frames)
    }
    return {n: both for n, both in shares.items() if abs(both[0] - both[1]) >= LEAST_MISSING}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m monitoring.drift", description=__doc__)
    parser.add_argument("--reference", type=Path, required=True, help="read: parquet")
    parser.add_argument("--current", type=Path, required=True, help="read: parquet")
    parser.add_argument("--schema", type=Path, required=True, help="read: JSON")
    parser.add_argument("--features", type=Path, required=True, help="read: JSON list of names")
    parser.add_argument("--report", type=Path, required=True, help="written: HTML")
    parser.add_argument("--findings", type=Path, required=True, help="written: JSON")
    arguments = parser.parse_args()
    findings = compare(
        pd.read_parquet(arguments.reference),
        pd.read_parquet(arguments.current),
        FeatureSchema.from_json(arguments.schema.read_bytes()),
        json.loads(arguments.features.read_text()),
        arguments.report,
    )
    arguments.findings.write_text(json.dumps(findings, indent=1) + "\n")


if __name__ == "__main__":
    main()
