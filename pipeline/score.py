"""Answers for a whole table: `python -m pipeline.score --input orders.csv --output answers.csv`.

Streams CSV or Parquet of any size, goes on where it was stopped, and can log what it answers
(docs/scoring.md).
"""

import argparse
import os
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from joblib import cpu_count
from tqdm import tqdm

from contracts.bundle import Bundle, load_bundle
from contracts.bundle_files import BundleError
from contracts.schema import SchemaError
from contracts.settings import Settings
from pipeline.cluster import ADDRESS, ClusterError
from pipeline.frames import DatasetError
from pipeline.scoring.cluster import score_on_cluster
from pipeline.scoring.input import InputFile, count_rows, find_files, require_one_type
from pipeline.scoring.parts import UNLOGGED, Parts, ScoreError, open_parts
from pipeline.scoring.rows import Asked, Scored, require_own_name
from pipeline.scoring.workers import Plan, last_chunk, score_here

BUNDLE = Path("build/bundle")
ROWS_PER_CHUNK = 50_000
MOST_PROCESSES = 8  # one reader feeds no more
REFUSALS = (BundleError, ClusterError, DatasetError, OSError, SchemaError, ScoreError)
Clock = Callable[[], datetime]
Log = Callable[[pa.Table], None]


def score(arguments: argparse.Namespace, clock: Clock) -> str:
    """Score what the arguments name; returns a sentence about it.

    Raises:
        DatasetError, BundleError, SchemaError: the input or the model cannot be used.
        ScoreError, ClusterError: the run cannot begin or go on.
    """
    bundle = load_bundle(arguments.bundle)
    asked = Asked(arguments.id, arguments.log, arguments.on_bad_rows == "keep")
    require_own_name(bundle.schema, asked)
    files = find_files(arguments.input)
    if asked.id is not None:
        require_one_type(files, asked.id)
    cluster = os.environ.get(ADDRESS, "")
    total = count_rows(files)
    chunks = sys.maxsize if total is None else -(-total // arguments.rows_per_chunk)
    processes = max(min(arguments.processes, chunks), 1)
    log = _open_log(cluster) if arguments.log else None
    with open_parts(
        arguments.output, _identity(arguments, files, bundle, cluster), arguments.restart
    ) as parts:
        if log is not None:
            for path in parts.unlogged():
                _log_part(path, log)
        if cluster:
            results = score_on_cluster(
                cluster, files, bundle, asked, arguments.rows_per_chunk, parts.names(), clock()
            )
        else:
            plan = Plan(arguments.rows_per_chunk, processes, last_chunk(parts.names()))
            results = score_here(files, bundle, arguments.bundle, asked, plan, clock)
        rows = _keep(results, parts, asked, total, log)
        bad = parts.count_bad()
        parts.finish(asked.keep_bad)
    without = f", {bad:,} of them without an answer" if bad else ""
    return f"{rows:,} rows{without}, by {bundle.version}, in {arguments.output}\n"


def _identity(
    arguments: argparse.Namespace, files: Sequence[InputFile], bundle: Bundle, cluster: str
) -> dict[str, Any]:
    """What must be the same for two runs' parts to be of one table."""
    return {
        "model version": bundle.version,
        "input": [asdict(file) for file in files],
        "--id": arguments.id,
        "--log": arguments.log,
        "--rows-per-chunk": arguments.rows_per_chunk,
        "place (on a cluster or here)": "cluster" if cluster else "here",
    }


def _keep(
    results: Generator[tuple[str, Scored], None, None],
    parts: Parts,
    asked: Asked,
    total: int | None,
    log: Log | None,
) -> int:
    """Write each result as a part and log it; returns the rows of all parts."""
    rows = parts.count_rows()
    with (
        closing(results),  # ends the workers, also after an error
        tqdm(total=total, initial=rows, desc="score", unit="row", unit_scale=True) as bar,
    ):
        for name, scored in results:
            parts.write(name, scored, rows, numbered=asked.id is None)
            if log is not None:
                _log_part(parts.directory / f"{UNLOGGED}{name}", log)
            rows += len(scored.answers)
            bar.update(len(scored.answers))
        bar.total = rows  # of CSV it was a guess
    return rows


def _open_log(cluster: str) -> Log:
    if cluster:
        raise ScoreError(f"--log is for runs on one machine; unset {ADDRESS}")
    from pipeline.scoring.ledger import open_ledger, record  # only who logs needs a database

    engine = open_ledger(Settings().database_url)
    return lambda rows: record(engine, rows)


def _log_part(path: Path, log: Log) -> None:
    log(pq.read_table(path))
    path.unlink()


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pipeline.score", description=__doc__)
    add = parser.add_argument
    add("--input", required=True, metavar="PATH",
        help="CSV or Parquet, a file or a directory, or an address such as s3://...")  # fmt: skip
    add("--output", required=True, metavar="PATH",
        help="written: .csv or .parquet; a directory, which ends with /, keeps parts")  # fmt: skip
    model = parser.add_mutually_exclusive_group()
    model.add_argument("--version", metavar="V", help="a registered version")
    model.add_argument("--bundle", type=Path, default=BUNDLE, metavar="DIR", help=f"or {BUNDLE}")
    add("--id", metavar="NAME", help="a column that is copied to the answers")
    add("--log", action="store_true", help="log the predictions in the database, too")
    add("--on-bad-rows", choices=["stop", "keep"], default="stop",
        help="keep: such rows get no answer, and a column says why")  # fmt: skip
    add("--rows-per-chunk", type=_positive, default=ROWS_PER_CHUNK, metavar="N")
    add("--processes", type=_positive, metavar="N", default=min(cpu_count(), MOST_PROCESSES),
        help="one per core, at most eight, unless told otherwise")  # fmt: skip
    add("--restart", action="store_true", help="throw away what is there already")
    return parser


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.version is not None:
        arguments.bundle = Settings().bundles_dir / arguments.version
    try:
        sys.stdout.write(score(arguments, lambda: datetime.now(UTC)))
    except REFUSALS as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here")


if __name__ == "__main__":
    main()
