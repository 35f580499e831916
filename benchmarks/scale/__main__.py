"""What a check costs at any traffic: `make bench-scale`.

A private PostgreSQL is filled with a window of 100,000, a million and ten million rows of 50
columns, half of them with an outcome. `python -m monitoring.check` judges each, in a process of its
own; plain Evidently reads the same rows beside it, in at most four times the memory and ten times
the seconds that the check may take.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import create_engine, text

from benchmarks.postgresql import temporary_postgresql
from benchmarks.results import write_result
from benchmarks.scale import data
from benchmarks.scale.measure import measure
from benchmarks.scale.table import as_table, missed

SIZES = [100_000, 1_000_000, 10_000_000]
SEED = 20260101
MOST_MB, MOST_SECONDS = 4_000, 600
# What is measured is reading; a crash of this server loses nothing that anybody needs.
SERVER = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off -c max_wal_size=2GB"


def check(url: str, place: Path, runs: int) -> dict[str, Any]:
    """The fastest of some runs of the product's command."""
    names = {
        "DATABASE_URL": url, "BUNDLES_DIR": str(place / "bundles"),
        "REPORTS_DIR": str(place / "reports"), "PARAMS_FILE": "params.yaml",
    }  # fmt: skip
    environment = {**os.environ, **{f"PERENNIAL_{name}": value for name, value in names.items()}}
    command = [sys.executable, "-m", "monitoring.check", "--until", data.UNTIL.isoformat()]
    found = [
        measure(command, environment, place / "check.log",
                memory_mb=64_000, limit_seconds=MOST_SECONDS)
        for _ in range(runs)
    ]  # fmt: skip
    if failed := [each["failed"] for each in found if "failed" in each]:
        sys.exit(f"the check failed: {failed[0]}")
    seconds = [each["seconds"] for each in found]
    return {"seconds": min(seconds), "rss_mb": max(each["rss_mb"] for each in found),
            "all_seconds": seconds}  # fmt: skip


def plain(url: str, place: Path) -> dict[str, Any]:
    """Evidently by itself, within its limits."""
    command = [sys.executable, "-m", "benchmarks.scale.plain", url, str(place / "bundle")]
    return measure(command, {**os.environ, "DO_NOT_TRACK": "1"}, place / "plain.log",
                   memory_mb=MOST_MB, limit_seconds=MOST_SECONDS)  # fmt: skip


def run(server: str, place: Path, rows: int, runs: int) -> dict[str, Any]:
    """Fill a database, measure both, and drop it."""
    name = f"rows_{rows}"
    _administer(server, f"CREATE DATABASE {name}")
    url = server.rsplit("/", 1)[0] + f"/{name}"
    data.fill(url, place / "bundles", place / "bundle", rows, np.random.default_rng(SEED))
    found = {"rows": rows, "ours": check(url, place, runs), "evidently": plain(url, place)}
    _administer(server, f"DROP DATABASE {name} WITH (FORCE)")
    return found


def _administer(server: str, statement: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES)
    parser.add_argument("--runs", type=int, default=3, help="of each size; the fastest counts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, temporary_postgresql(SERVER) as server:
        place = Path(name)
        data.make_bundle(place / "bundle", np.random.default_rng(SEED))
        scale = []
        for rows in arguments.rows:
            scale.append(run(server, place, rows, arguments.runs))
            print(scale[-1], flush=True)
    figures = {"scale": scale, "columns": data.NUMBERS + data.TEXTS}
    print(as_table(figures), f"figures: {write_result('bench-scale', figures)}", sep="\n")
    if bars := missed(figures):
        sys.exit("missed: " + "; ".join(bars))


if __name__ == "__main__":
    main()
