"""One-row and large requests to /predict, every row durable, against what else could answer.

`make bench-serve`. In one run, taking turns: a bare ASGI echo; the service without logging, with
durable SQLite, with PostgreSQL; the tutorial's FastAPI service. Each is a process of its own under
the same uvicorn, loaded by wrk over loopback; the median of the rounds is reported: only ratios
mean much on a shared machine.
"""

import argparse
import contextlib
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from benchmarks.postgresql import PostgresqlMissingError, temporary_postgresql
from benchmarks.results import write_result
from benchmarks.serving import measure, systems
from benchmarks.serving.bars import Results, bars_table, judge, large_table, results_table
from benchmarks.serving.load import Figures, require_wrk
from contracts.bundle import load_bundle
from deploy.local import BUNDLE, StackError, train

CONNECTIONS = (1, 16, 64)
NAMES = ("echo", "unlogged", "sqlite", "postgresql", "tutorial")
QUICK_ROUNDS, QUICK_SECONDS = 2, 2


def start_all(
    stack: contextlib.ExitStack, directory: Path, row: systems.Row, names: Sequence[str]
) -> dict[str, systems.System]:
    """Every system that is asked for, warm; they run until the stack closes.

    Raises:
        PostgresqlMissingError, DidNotStartError: one of them cannot run.
    """
    starts = {
        "echo": lambda: systems.echo(directory, row),
        "unlogged": lambda: systems.service(
            directory / "unlogged", row, module="benchmarks.serving.unlogged"
        ),
        "sqlite": lambda: systems.service(directory / "sqlite", row),
        "postgresql": lambda: systems.service(
            directory / "postgresql",
            row,
            database_url=stack.enter_context(temporary_postgresql()),
        ),
        "tutorial": lambda: systems.tutorial(directory, row),
    }
    started = {name: stack.enter_context(starts[name]()) for name in starts if name in names}
    for system in started.values():
        systems.wait_for(system)
    return started


def run(directory: Path, names: Sequence[str], rounds: int, seconds: int) -> dict[str, Any]:
    """All figures of the systems `names`, of which echo, sqlite and tutorial are needed.

    Raises:
        PostgresqlMissingError, DidNotStartError: a system cannot run.
    """
    row = load_bundle(BUNDLE).schema.example()
    with contextlib.ExitStack() as stack:
        started = start_all(stack, directory, row, names)
        with tqdm(total=len(CONNECTIONS) * rounds * len(started), unit="run", desc="bench") as bar:
            runs = measure.one_row(started, CONNECTIONS, rounds, seconds, bar.update)
        memory = measure.rss_bytes(started["sqlite"])
        large: dict[str, dict[str, Figures]] = {
            name: measure.large_requests(started[name], row, rounds, seconds)
            for name in ("sqlite", "postgresql")
            if name in started
        }
        memory = max(memory, measure.rss_bytes(started["sqlite"]))
        logged = systems.count_rows(started["sqlite"])
    start = measure.start_seconds(directory / "start", row)
    results = measure.medians(runs)
    bars = judge(results, large["sqlite"], memory, start)
    return {
        "systems": results,
        "large_requests": large,
        "rss_bytes": memory,
        "start_seconds": start,
        "rows": {"answered": count_answered(results, large), "logged": logged},
        "bars": [bar.as_json() for bar in bars],
        "runs": runs,
    }


def count_answered(results: Results, large: Results) -> float:
    """Rows that the service with SQLite answered to wrk."""
    single = sum(figures["requests"] for figures in results["sqlite"].values())
    many = sum(figures["requests"] for figures in large["sqlite"].values())
    return single + many * measure.LARGE_ROWS


def as_tables(figures: dict[str, Any]) -> str:
    """Markdown: every system, large requests, bars."""
    rows = figures["rows"]
    return (
        f"{results_table(figures['systems'])}\n\n{large_table(figures['large_requests'])}\n\n"
        f"{bars_table(figures['bars'])}\n\n{rows['answered']:,} rows answered by the service on "
        f"SQLite, {rows['logged']:,} in its ledger."
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of each load")
    parser.add_argument("--quick", action="store_true", help="for development: fewer, shorter")
    parser.add_argument("--trained", action="store_true", help="take build/bundle as it is")
    parser.add_argument("--without", choices=["unlogged", "postgresql"], nargs="*", default=[])
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.seconds = QUICK_ROUNDS, QUICK_SECONDS
    return arguments


def main() -> None:
    arguments = parse_arguments()
    names = [name for name in NAMES if name not in arguments.without]
    require_wrk()
    try:
        if not arguments.trained:
            train()
        with tempfile.TemporaryDirectory(dir="var" if Path("var").is_dir() else None) as directory:
            figures = run(Path(directory), names, arguments.rounds, arguments.seconds)
    except (StackError, PostgresqlMissingError, systems.DidNotStartError) as error:
        sys.exit(f"bench-serve: {error}")
    print(as_tables(figures))
    print(f"figures: {write_result('bench-serve', figures)}")
    errors = sum(
        f["errors"] for name in figures["systems"] for f in figures["systems"][name].values()
    )
    lost = figures["rows"]["answered"] > figures["rows"]["logged"]
    sys.exit(bool(errors or lost or not all(bar["passed"] for bar in figures["bars"])))


if __name__ == "__main__":
    main()
