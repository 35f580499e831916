"""Runs the drift comparison in its own process and puts its page where the service lists it."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd

from contracts.bundle import Bundle

DEADLINE_SECONDS = 600


class ReportError(RuntimeError):
    """The comparison failed; the message ends with what it printed last."""


def write_report(bundle: Bundle, current: pd.DataFrame, report: Path) -> dict[str, Any]:
    """Compare the window with the bundle's reference sample.

    Args:
        current: the window's features and schema.answers.
        report: the HTML file to write; appears whole or not at all.

    Returns:
        The findings of monitoring/drift.py.

    Raises:
        ReportError: the process failed or took longer than DEADLINE_SECONDS.
    """
    report.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=report.parent, prefix=".check-") as name:
        directory = Path(name)
        (directory / "reference.parquet").write_bytes(bundle.files["reference.parquet"])
        (directory / "schema.json").write_bytes(bundle.files["schema.json"])
        current.to_parquet(directory / "current.parquet")
        _run(directory)
        findings: dict[str, Any] = json.loads((directory / "findings.json").read_text())
        (directory / "report.html").rename(report)
    return findings


def _run(directory: Path) -> None:
    names = {
        "--reference": "reference.parquet",
        "--current": "current.parquet",
        "--schema": "schema.json",
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
