"""How long the service takes for each page: `python -m benchmarks.pages`.

A million predictions, 300 checks and their retrains are in the database. Pages are asked for in
turns, one after the other, beside an asset that reads no database: the baseline of the same run.
What counts is the time of a whole answer over loopback, which the machine's other work is part of.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from sqlalchemy import select

from benchmarks.lived_in import live
from benchmarks.postgresql import temporary_postgresql
from benchmarks.results import write_result
from contracts.database import make_engine
from contracts.migrate import migrate
from contracts.settings import Settings
from contracts.tables import checks, predictions, scorings
from deploy.local import BUNDLE, free_port, running, wait_until_ready
from service.access.key_store import NewKey, create_key

ROWS, ROUNDS = 1_000_000, 200
BASELINE = "/assets/leaf.svg"
PATHS = ("/", "/sign-in", "/try", "/try/files/{scoring}", "/docs", "/reports",
         "/reports/{check}", "/predictions", "/predictions/{prediction}", "/models",
         "/models/{version}", "/monitoring", "/outcomes")  # fmt: skip
BAR_MS = 50.0


def measure(client: httpx.Client, paths: list[str], rounds: int) -> dict[str, list[float]]:
    """Milliseconds of each answer, the paths in turns."""
    took: dict[str, list[float]] = {path: [] for path in paths}
    for _ in range(rounds):
        for path in paths:
            started = time.perf_counter()
            client.get(path).raise_for_status()
            took[path].append(1000 * (time.perf_counter() - started))
    return took


def run(directory: Path, url: str, rows: int, rounds: int) -> dict[str, Any]:
    """One database's figures, by page."""
    settings, key, known = _prepare(directory, url, rows)
    with running(settings, "service") as processes:
        wait_until_ready(settings, processes)
        address = f"http://127.0.0.1:{settings.port}"
        headers = {"X-API-Key": key, "Accept": "text/html"}
        with httpx.Client(base_url=address, headers=headers, timeout=60) as client:
            written = {path.format(**known): path for path in PATHS}
            written = {asked: path for asked, path in written.items() if _is_page(client, asked)}
            measure(client, [BASELINE, *written], 5)
            took = measure(client, [BASELINE, *written], rounds)
            service = psutil.Process(processes["service"].pid)
            cpu = {path: _cpu_ms(service, client, path, rounds) for path in took}
    return {written.get(asked, asked): _figures(times, took[BASELINE], cpu[asked])
            for asked, times in took.items()}  # fmt: skip


def _cpu_ms(service: psutil.Process, client: httpx.Client, path: str, rounds: int) -> float:
    """The processor's time that the service takes for an answer, whatever else the machine does."""
    before = service.cpu_times()
    measure(client, [path], rounds)
    after = service.cpu_times()
    seconds: float = after.user + after.system - before.user - before.system
    return 1000 * seconds / rounds


def _prepare(directory: Path, url: str, rows: int) -> tuple[Settings, str, dict[str, str]]:
    settings = Settings(
        _env_file=None,
        database_url=url,
        bundles_dir=directory / "bundles",
        reports_dir=directory / "reports",
        spool_dir=directory / "spool",
        metrics_dir=directory / "metrics",
        access_log=False,
        port=free_port(),
    )
    engine, now = make_engine(url), datetime.now(UTC)
    migrate(engine)
    started = time.monotonic()
    version = live(engine, settings.bundles_dir, BUNDLE, rows, now)
    print(f"{rows:,} predictions made in {time.monotonic() - started:.0f} s", file=sys.stderr)
    with engine.connect() as connection:
        newest = select(checks.c.check_id).order_by(checks.c.checked_at.desc()).limit(1)
        last = select(predictions.c.prediction_id).order_by(predictions.c.prediction_id.desc())
        known = {"check": connection.execute(newest).scalar_one(), "version": version,
                 "prediction": connection.execute(last.limit(1)).scalar_one(),
                 "scoring": connection.execute(select(scorings.c.scoring_id)).scalar_one(),
                 }  # fmt: skip
    key = create_key(engine, NewKey("bench", ["read"]), actor="bench", now=now)
    engine.dispose()
    return settings, key, known


def _is_page(client: httpx.Client, path: str) -> bool:
    answer = client.get(path)
    return answer.status_code == 200 and "<main" in answer.text


def _figures(times: list[float], baseline: list[float], cpu_ms: float) -> dict[str, float]:
    p50, p95 = np.percentile(times, [50, 95])
    return {"p50_ms": round(float(p50), 2), "p95_ms": round(float(p95), 2),
            "of_asset": round(float(p50 / np.median(baseline)), 1),
            "cpu_ms": round(cpu_ms, 1)}  # fmt: skip


@contextmanager
def _databases(directory: Path, only: str) -> Iterator[dict[str, str]]:
    found = {"sqlite": f"sqlite:///{directory}/sqlite/perennial.db"}
    if only == "sqlite":
        yield found
        return
    with temporary_postgresql() as url:
        yield {**found, "postgresql": url} if only == "both" else {"postgresql": url}


def as_table(figures: dict[str, Any]) -> str:
    """Markdown: one line a page and database."""
    lines = [
        "| database | page | p50 ms | p95 ms | of an asset's | CPU ms |",
        "|---|---|---|---|---|---|",
    ]
    for database, pages in figures["databases"].items():
        for path, one in pages.items():
            cells = (database, f"`{path}`", one["p50_ms"], one["p95_ms"], one["of_asset"],
                     one["cpu_ms"])  # fmt: skip
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def paint_table(figures: dict[str, Any]) -> str:
    """Markdown: what tests/pages/test_paint.py has measured."""
    lines = ["| page | first contentful paint, ms | of a line of text, ms |", "|---|---|---|"]
    lines += [f"| `{path}` | {page:.0f} | {line:.0f} |"
              for path, (page, line) in figures["pages"].items()]  # fmt: skip
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pages", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=["sqlite", "postgresql", "both"], default="both")
    arguments = parser.parse_args()
    found = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with _databases(directory, arguments.only) as urls:
            for database, url in urls.items():
                found[database] = run(directory / database, url, arguments.rows, arguments.rounds)
    figures = {"rows": arguments.rows, "rounds": arguments.rounds, "databases": found}
    print(as_table(figures), write_result("pages", figures), sep="\n")
    slow = [f"{database} {path}" for database, pages in found.items()
            for path, one in pages.items() if one["p95_ms"] > BAR_MS]  # fmt: skip
    sys.exit(f"over {BAR_MS:.0f} ms at p95: {', '.join(slow)}" if slow else 0)


if __name__ == "__main__":
    main()
