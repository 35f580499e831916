"""One-row /predict with every row durable in SQLite, against a bare ASGI echo of the same run.

`make bench-serve`. Both run under the same uvicorn with the same loop and parser, are loaded by
wrk over loopback in turns, and the median of the rounds is reported: only the ratio means much on
a shared machine.
"""

import argparse
import contextlib
import http.client
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select
from tqdm import tqdm

from benchmarks.load import Figures, load, require_wrk
from benchmarks.results import write_result
from contracts.bundle import load_bundle
from contracts.database import make_engine
from contracts.migrate import migrate
from contracts.settings import Settings
from contracts.tables import predictions
from deploy.local import BUNDLE, free_port, publish, running, train, wait_until_ready

CONNECTIONS = (1, 16, 64)
Results = dict[str, dict[str, Figures]]


@contextlib.contextmanager
def echo() -> Iterator[str]:
    """The baseline's URL, while it runs."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.echo:app", "--port", str(port),
               "--loop", "uvloop", "--http", "httptools", "--no-access-log",
               "--log-level", "warning"]  # fmt: skip
    process = subprocess.Popen(command)
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}/"
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def durable_sqlite(directory: Path) -> Iterator[str]:
    """The real service's /predict on a fresh SQLite file, while it runs."""
    settings = Settings(
        database_url=f"sqlite:///{directory}/perennial.db",
        bundles_dir=directory / "bundles",
        reports_dir=directory / "reports",
        port=free_port(),
    )
    engine = make_engine(settings.database_url)
    migrate(engine)
    publish(engine, settings, datetime.now(UTC))
    with running(settings, "service") as processes:
        wait_until_ready(settings, processes)
        yield f"http://127.0.0.1:{settings.port}/predict"
    with engine.connect() as connection:
        rows = connection.execute(select(func.count()).select_from(predictions)).scalar_one()
    print(f"rows in the ledger: {rows:,}")


def measure(urls: dict[str, str], body: bytes, rounds: int, seconds: int) -> Results:
    """Median figures per system and number of connections, systems taking turns."""
    results: Results = {name: {} for name in urls}
    with tqdm(total=len(CONNECTIONS) * rounds * len(urls), unit="run", desc="bench") as bar:
        for connections in CONNECTIONS:
            runs: dict[str, list[Figures]] = {name: [] for name in urls}
            for _ in range(rounds):
                for name, url in urls.items():
                    runs[name].append(load(url, body, connections, seconds))
                    bar.update()
            for name, found in runs.items():
                results[name][f"c{connections}"] = _median(found)
    return results


def _median(runs: list[Figures]) -> Figures:
    middle = {k: statistics.median(run[k] for run in runs) for k in ("rps", "p50_ms", "p99_ms")}
    return {**middle, "errors": sum(run["errors"] for run in runs)}


def _wait_for(port: int) -> None:
    for _ in range(200):
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
            connection.request("POST", "/", b"{}")
            connection.getresponse()
            return
        time.sleep(0.05)


def as_table(results: Results) -> str:
    """Markdown, one row per system and number of connections."""
    lines = [
        "| system | connections | requests/s | of the echo | p50 ms | p99 ms | errors |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, found in results.items():
        for key, figures in found.items():
            ratio = figures["rps"] / results["echo"][key]["rps"]
            lines.append(
                f"| {name} | {key[1:]} | {figures['rps']:,.0f} | {ratio:.2f} "
                f"| {figures['p50_ms']:.2f} | {figures['p99_ms']:.2f} | {figures['errors']:.0f} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serve", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of each run")
    arguments = parser.parse_args()
    require_wrk()
    train()
    body = json.dumps({"features": load_bundle(BUNDLE).schema.example()}).encode()
    with (
        tempfile.TemporaryDirectory(dir="var" if Path("var").is_dir() else None) as name,
        echo() as echo_url,
        durable_sqlite(Path(name)) as service_url,
    ):
        urls = {"echo": echo_url, "durable_sqlite": service_url}
        results = measure(urls, body, arguments.rounds, arguments.seconds)
    print(as_table(results))
    print(f"figures: {write_result('bench-serve', results)}")
    sys.exit(any(f["errors"] for found in results.values() for f in found.values()))


if __name__ == "__main__":
    main()
