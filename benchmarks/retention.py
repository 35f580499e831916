"""What retention costs the callers: `python -m benchmarks.retention`.

The database has old rows in it; /predict is asked at a fixed rate, by itself and while
`python -m monitoring.retention` deletes them in a process of its own. No answer may take the road
of the spool, and the write-ahead log must stay small.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import yaml
from sqlalchemy import func, insert, select
from uuid_utils import uuid7

from benchmarks.results import write_result
from benchmarks.serving.systems import System, service, wait_for
from contracts.bundle import load_bundle
from contracts.database import make_engine, write_transaction
from contracts.tables import outcomes, predictions
from deploy.local import BUNDLE

FILL_ROWS = 10_000
PAUSE_SECONDS = 0.02
SETTLE_SECONDS = 5


def fill(url: str, row: dict[str, Any], rows: int) -> None:
    """Log old rows, half of them with an outcome."""
    engine = make_engine(url)
    features = json.dumps(row)
    for start in range(0, rows, FILL_ROWS):
        at = datetime.now(UTC) - timedelta(days=400, seconds=-start)
        names = [str(uuid7()) for _ in range(min(FILL_ROWS, rows - start))]
        logged = [{"prediction_id": name, "predicted_at": at, "event_time": at, "prediction": "1",
                   "model_version": "old", "features": features, "probability": 0.5}
                  for name in names]  # fmt: skip
        known = [{"prediction_id": name, "outcome": "1", "observed_at": at, "recorded_at": at}
                 for name in names[::2]]  # fmt: skip
        with write_transaction(engine) as connection:
            connection.execute(insert(predictions), logged)
            connection.execute(insert(outcomes), known)
    engine.dispose()


def ask(system: System, until: Callable[[], bool]) -> list[float]:
    """Milliseconds of each answer, one after the other with a pause."""
    took = []
    with httpx.Client() as client:
        while not until():
            started = time.perf_counter()
            client.post(system.url, content=system.body, headers=system.headers).raise_for_status()
            took.append(1000 * (time.perf_counter() - started))
            time.sleep(PAUSE_SECONDS)
    return took


@contextmanager
def deleting(directory: Path, url: str) -> Iterator["subprocess.Popen[bytes]"]:
    """`python -m monitoring.retention` with 60 days."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["monitoring"]["retention"] = {"days": 60}
    path = directory / "params.yaml"
    path.write_text(yaml.safe_dump(params))
    names = {"PERENNIAL_DATABASE_URL": url, "PERENNIAL_PARAMS_FILE": str(path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "monitoring.retention"], env={**os.environ, **names}
    )
    try:
        yield process
    finally:
        process.wait()


def figures_of(took: list[float]) -> dict[str, float]:
    p50, p99 = np.percentile(took, [50, 99])
    return {"answers": len(took), "p50_ms": round(float(p50), 2), "p99_ms": round(float(p99), 2),
            "max_ms": round(max(took), 2)}  # fmt: skip


def ledger_of(system: System) -> dict[str, Any]:
    ready = httpx.get(system.url.replace("/predict", "/health/ready")).json()
    found: dict[str, Any] = ready["ledger"]
    return found


def run(directory: Path, system: System, row: dict[str, Any], rows: int) -> dict[str, Any]:
    url = system.database_url
    fill(url, row, rows)
    time.sleep(SETTLE_SECONDS)
    end = time.monotonic() + 10
    alone = ask(system, lambda: time.monotonic() > end)
    log = Path(make_engine(url).url.database + "-wal")  # type: ignore[operator]  # a file
    largest = 0
    started = time.monotonic()
    with deleting(directory, url) as process:

        def is_over() -> bool:
            nonlocal largest
            largest = max(largest, log.stat().st_size)
            return process.poll() is not None

        beside = ask(system, is_over)
    seconds = time.monotonic() - started
    engine = make_engine(url)
    with engine.connect() as connection:
        old = select(func.count()).where(predictions.c.model_version == "old")
        left = connection.execute(old).scalar_one()
    return {"rows": rows, "left": left, "seconds": round(seconds, 1), "alone": figures_of(alone),
            "beside": figures_of(beside), "spooled": ledger_of(system)["spooled"],
            "log_mb": round(largest / 1e6, 1)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retention", description=__doc__)
    parser.add_argument("--rows", type=int, default=300_000)
    arguments = parser.parse_args()
    row = load_bundle(BUNDLE).schema.example()
    with tempfile.TemporaryDirectory() as name, service(Path(name), row) as system:
        wait_for(system)
        figures = run(Path(name), system, row, arguments.rows)
    print(json.dumps(figures, indent=1), write_result("retention", figures), sep="\n")


if __name__ == "__main__":
    main()
