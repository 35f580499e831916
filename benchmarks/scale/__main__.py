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


def check(url: str, place: Path) -> dict[str, Any]:
    """The product's command, which may not fail."""
    names = {
        "DATABASE_URL": url, "BUNDLES_DIR": str(place / "bundles"),
        "REPORTS_DIR": str(place / "reports"), "PARAMS_FILE": "params.yaml",
    }  # fmt: skip
    environment = {**os.environ, **{f"PERENNIAL_{name}": value for name, value in names.items()}}
    command = [sys.executable, "-m", "monitoring.check", "--until", data.UNTIL.isoformat()]
    found = measure(command, environment, place / "check.log",
                    memory_mb=64_000, limit_seconds=MOST_SECONDS)  # fmt: skip
    if "failed" in found:
        sys.exit(f"the check failed: {found['failed']}")
    return found


def best(found: list[dict[str, Any]]) -> dict[str, Any]:
    """The least time of some runs, which a shared machine lengthens, and the most memory."""
    times = [each["seconds"] for each in found]
    return {"seconds": min(times), "cpu_seconds": min(each["cpu_seconds"] for each in found),
            "rss_mb": max(each["rss_mb"] for each in found), "all_seconds": times}  # fmt: skip


def plain(url: str, place: Path) -> dict[str, Any]:
    """Evidently by itself, within its limits."""
    command = [sys.executable, "-m", "benchmarks.scale.plain", url, str(place / "bundle")]
    return measure(command, {**os.environ, "DO_NOT_TRACK": "1"}, place / "plain.log",
                   memory_mb=MOST_MB, limit_seconds=MOST_SECONDS)  # fmt: skip


def run(server: str, place: Path, sizes: list[int], runs: int) -> list[dict[str, Any]]:
    """Fill a database of each size, then let the sizes take turns."""
    urls = {rows: f"{server.rsplit('/', 1)[0]}/rows_{rows}" for rows in sizes}
    for rows, url in urls.items():
        _create(server, f"rows_{rows}")
        data.fill(url, place / "bundles", place / "bundle", rows, np.random.default_rng(SEED))
        print(f"{rows:,} rows are logged", flush=True)
    checked: dict[int, list[dict[str, Any]]] = {rows: [] for rows in sizes}
    for _ in range(runs):
        for rows, url in urls.items():
            checked[rows].append(check(url, place))
            print(f"check of {rows:,} rows: {checked[rows][-1]}", flush=True)
    return [{"rows": rows, "ours": best(checked[rows]), "evidently": plain(url, place)}
            for rows, url in urls.items()]  # fmt: skip


def _create(server: str, name: str) -> None:
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES)
    parser.add_argument("--runs", type=int, default=3, help="of each size; the fastest counts")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, temporary_postgresql(SERVER) as server:
        place = Path(name)
        data.make_bundle(place / "bundle", np.random.default_rng(SEED))
        scale = run(server, place, sorted(arguments.rows), arguments.runs)
    figures = {"scale": scale, "columns": data.NUMBERS + data.TEXTS}
    print(as_table(figures), f"figures: {write_result('bench-scale', figures)}", sep="\n")
    if bars := missed(figures):
        sys.exit("missed: " + "; ".join(bars))


if __name__ == "__main__":
    main()
