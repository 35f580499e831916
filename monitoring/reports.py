"""Runs the drift comparison in its own process and puts its page where the service lists it.

A report is about the columns that matter, so that a wide table's opens like any other's.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from contracts.bundle import Bundle
from contracts.schema import FeatureSchema
from monitoring.plain_text import type_column

DEADLINE_SECONDS = 600
# A column takes 60 to 110 kB of a page, the rest of it 3.7 MB, and pages stay below 5 MB.
MOST_FEATURES = 10

# As write_report: bundle, window, causes, influence and file -> findings.
Draw = Callable[[Bundle, pd.DataFrame, Sequence[str], Mapping[str, float], Path], dict[str, Any]]


class ReportError(RuntimeError):
    """The comparison failed; the message ends with what it printed last."""


def choose_features(
    schema: FeatureSchema, causes: Sequence[str], influence: Iterable[str]
) -> list[str]:
    """The features that a report is about: what was found, then what the champion looks at most.

    Args:
        causes: what the check named, the gravest first.
        influence: features, the most important first.
    """
    ranked = dict.fromkeys([*causes, *influence, *schema.names])
    return [n for n in ranked if n in schema.names and n not in schema.datetimes][:MOST_FEATURES]


def write_report(
    bundle: Bundle,
    current: pd.DataFrame,
    causes: Sequence[str],
    influence: Mapping[str, float],
    report: Path,
) -> dict[str, Any]:
    """Compare the window with the bundle's reference sample, in the columns that matter.

    Args:
        current: the window's features and schema.answers.
        causes: features that the check named, the gravest first.
        influence: of measure_influence.
        report: the HTML file to write; appears whole or not at all.

    Returns:
        The findings of monitoring/drift.py, and the `influence` of the report's features.

    Raises:
        ReportError: the process failed or took longer than DEADLINE_SECONDS.
    """
    schema = bundle.schema
    features = choose_features(schema, causes, influence)
    report.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=report.parent, prefix=".check-") as name:
        directory = Path(name)
        (directory / "reference.parquet").write_bytes(bundle.files["reference.parquet"])
        (directory / "schema.json").write_bytes(bundle.files["schema.json"])
        (directory / "features.json").write_text(json.dumps(features))
        shown = [n for n in [*features, *schema.answers] if n in current]
        typed = pd.DataFrame({n: type_column(current[n], n, schema) for n in shown})
        typed.to_parquet(directory / "current.parquet")
        _run(directory)
        findings: dict[str, Any] = json.loads((directory / "findings.json").read_text())
        (directory / "report.html").rename(report)
    return {**findings, "influence": {n: influence[n] for n in features if n in influence}}


def _run(directory: Path) -> None:
    names = {
        "--reference": "reference.parquet",
        "--current": "current.parquet",
        "--schema": "schema.json",
        "--features": "features.json",
        "--report": "report.html",
        "--findings": "findings.json",
    }
    files = [part for flag, file in names.items() for part in (flag, str(directory / file))]
    # Evidently would otherwise report its use over the network.
    environment = {**os.environ, "DO_NOT_TRACK": "1"}
    try:
        subprocess.run(
            [sys.executable, "-m", "monitoring.drift", *files],
            check=True,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            env=environment,
        )
    except subprocess.CalledProcessError as error:
        raise ReportError(f"the drift report failed: {error.stderr[-500:]}") from None
    except subprocess.TimeoutExpired:
        raise ReportError(f"the drift report took more than {DEADLINE_SECONDS} s") from None
