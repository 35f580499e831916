"""Generated requests, good and bad, against the real service: `make fuzz`.

Schemathesis reads the service's own OpenAPI document, makes requests from it that fit and that do
not, follows the links between operations, and compares every answer with the document. All of its
checks are on. It runs with a key that may do everything and without any.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.results import write_result
from benchmarks.serving.systems import prepare
from deploy.local import running, train, wait_until_ready
from service.access.key_store import ALL_SCOPES

TOOL = Path(sys.executable).parent / "schemathesis"
EXAMPLES = 300  # an operation and phase
MAX_RUNS = 50
DOCUMENT = "openapi.json"


@dataclass
class Tally:
    """What the runs of one kind have found."""

    cases: int = 0
    failures: int = 0
    errors: int = 0
    server_errors: int = 0


@contextlib.contextmanager
def fuzzed_service(directory: Path) -> Iterator[tuple[str, str]]:
    """URL and an all-powerful key of a fresh service, while it runs."""
    settings, key = prepare(directory, scopes=ALL_SCOPES)
    with running(settings, "service") as processes:
        wait_until_ready(settings, processes)
        yield f"http://127.0.0.1:{settings.port}", key


def fetch_document(url: str, key: str, path: Path) -> None:
    """Save the service's OpenAPI document, which strangers may not read."""
    request = urllib.request.Request(f"{url}/openapi.json", headers=_bearer(key))
    with urllib.request.urlopen(request, timeout=10) as response:
        path.write_bytes(response.read())


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def fuzz(url: str, headers: dict[str, str], cases: int, seed: int, scratch: Path) -> Tally:
    """Run until at least so many cases were sent; each run has a seed of its own."""
    tally = Tally()
    for number in range(MAX_RUNS):
        report = _run(url, headers, seed + number, scratch)
        tally.cases += report["test_cases"]["generated"]
        tally.failures += sum(one["count"] for one in report["failures"])
        tally.errors += len(report["errors"])
        tally.server_errors += sum(
            one["count"] for one in report["failures"] if one["type"] == "ServerError"
        )
        print(f"{tally.cases:,} cases, {tally.failures} failures", flush=True)
        if tally.cases >= cases or tally.failures or tally.errors:
            break
    return tally


def _run(url: str, headers: dict[str, str], seed: int, scratch: Path) -> dict[str, Any]:
    found = scratch / "report.json"
    command = [str(TOOL), "run", str(scratch / DOCUMENT), "--url", url, "--checks", "all",
               "--no-color", "--phases", "examples,coverage,fuzzing,stateful",
               "--continue-on-failure", "--request-timeout", "60", "--max-response-time", "35",
               "--max-examples", str(EXAMPLES), "--seed", str(seed), "--workers", "1",
               "--suppress-health-check", "all", "--generation-database", "none",
               "--warnings", "off", "--report", "json",
               "--report-json-path", str(found)]  # fmt: skip
    for name, value in headers.items():
        command += ["--header", f"{name}: {value}"]
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
    if not found.exists():
        sys.exit(f"schemathesis did not run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    report: dict[str, Any] = json.loads(found.read_text())
    if report["failures"] or report["errors"]:
        print(done.stdout)
    found.unlink()
    return report


def as_table(results: Mapping[str, Any]) -> str:
    """Markdown, one row with a key and one without."""
    lines = ["| requests | cases | failures | errors | status 5xx |", "|---|---|---|---|---|"]
    for name in ("with_key", "without_key"):
        found = Tally(**results[name])
        lines.append(
            f"| {name.replace('_', ' ')} | {found.cases:,} | {found.failures} | {found.errors} "
            f"| {found.server_errors} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000, help="with a key; a tenth without")
    parser.add_argument("--seed", type=int, default=20261121)
    arguments = parser.parse_args()
    train()
    with tempfile.TemporaryDirectory() as name, fuzzed_service(Path(name)) as (url, key):
        scratch = Path(name)
        fetch_document(url, key, scratch / DOCUMENT)
        found = {
            "with_key": fuzz(url, _bearer(key), arguments.cases, arguments.seed, scratch),
            "without_key": fuzz(url, {}, arguments.cases // 10, arguments.seed, scratch),
        }
    results = {name: vars(tally) for name, tally in found.items()}
    print(f"figures: {write_result('fuzz', results)}")
    sys.exit(any(tally.failures or tally.errors for tally in found.values()))


if __name__ == "__main__":
    main()
