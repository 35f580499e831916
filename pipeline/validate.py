"""Stage: check the rows that training may learn from, and show what they hold.

A broken rule warns or stops the pipeline, as params.validation.rules says; both files are written
in either case.
"""

import argparse
import sys
from pathlib import Path

from contracts.params import ParamsError, load_params
from pipeline.frames import DatasetError
from pipeline.profiling.page import profile_page
from pipeline.validation.findings import counts, to_json
from pipeline.validation.inspection import Inspection, inspect_table


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.validate", description=__doc__)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--raw", type=Path, required=True, help="read: parquet")
    parser.add_argument("--outcomes", type=Path, required=True, help="read: directory of snapshots")
    parser.add_argument("--findings", type=Path, required=True, help="written: JSON")
    parser.add_argument("--profile", type=Path, required=True, help="written: HTML")
    arguments = parser.parse_args()
    try:
        params = load_params(arguments.params)
        found = inspect_table(arguments.raw, arguments.outcomes, params, progress=True)
    except (DatasetError, ParamsError) as error:
        sys.exit(f"validate: {error}")
    _write(found, arguments.findings, arguments.profile)
    sys.stderr.write(_summary(found))
    if counts(found.findings)["fail"]:
        sys.exit(1)


def _write(found: Inspection, findings: Path, page: Path) -> None:
    profile = found.profile
    for path in (findings, page):
        path.parent.mkdir(parents=True, exist_ok=True)
    findings.write_text(to_json(found.findings, profile.rows, profile.without_outcome))
    page.write_text(profile_page(found.findings, profile))


def _summary(found: Inspection) -> str:
    """One line for each finding, failures first, and their number."""
    lines = [f"{finding.severity} {finding.rule}: {finding.message}" for finding in found.findings]
    numbers = ", ".join(f"{count} {level}" for level, count in counts(found.findings).items())
    return "\n".join([*lines, f"validate: {found.profile.rows} rows, findings: {numbers}\n"])


if __name__ == "__main__":
    main()
