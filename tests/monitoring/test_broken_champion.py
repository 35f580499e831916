"""A real service, a promoted bundle that breaks only at real rows, and probation's look at it."""

import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine, func, insert, select

from contracts.database import write_transaction
from contracts.params import load_params
from contracts.registry import champion, promote, register
from contracts.settings import Settings
from contracts.tables import retrains, vitals
from monitoring.alerts import Alerts
from monitoring.jobs import watch_probation
from monitoring.probation import run_probation
from tests.broken import nan_in_the_morning, slow
from tests.bundles import EXAMPLE, make_bundle
from tests.conftest import MadeBundle
from tests.service.servers import PATIENCE_SECONDS, post, service_process, serving, wait_for

ROOT = Path(__file__).parents[2]
NOON, NIGHT = ({"features": {**EXAMPLE, "hour": hour}} for hour in (17, 3))
SECONDS_A_MINUTE = 0.5


@pytest.fixture
def first(engine: Engine, settings: Settings, bundle_a: MadeBundle) -> str:
    register(engine, settings.bundles_dir, bundle_a.directory, datetime.now(UTC), {})
    with write_transaction(engine) as connection:
        promote(connection, bundle_a.version, actor="test", reason="", now=datetime.now(UTC))
    return bundle_a.version


def promote_by_retrain(
    engine: Engine, settings: Settings, directory: Path, onnx: bytes, before: str, now: datetime
) -> str:
    """As a retrain would have: the gate has seen no fault."""
    make_bundle(directory, onnx=onnx)
    version = register(engine, settings.bundles_dir, directory, now, {})
    row = {"retrain_id": "r1", "started_at": now, "finished_at": now, "state": "promoted",
           "reason": "", "champion_version": before, "challenger_version": version,
           "verdict": "{}"}  # fmt: skip
    with write_transaction(engine) as connection:
        connection.execute(insert(retrains).values(row))
        promote(connection, version, actor="retrain r1", reason="", now=now)
    return version


def ask(port: int, body: object, times: int) -> Iterator[tuple[int, str | None]]:
    """Status and version of each answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    for _ in range(times):
        status, answer = post(connection, "/predict", body)
        yield status, answer.get("model_version")
    connection.close()


def wait_until_answering(port: int, version: str) -> None:
    wait_for(lambda: [v for _, v in ask(port, NOON, 1)] == [version])


def test_a_champion_without_finite_answers_is_taken_back_by_the_scheduler(
    engine: Engine, settings: Settings, first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERENNIAL_VITALS_SECONDS", "0.2")
    shipped = yaml.safe_load((ROOT / "params.yaml").read_text())
    shipped["monitoring"]["probation"]["vitals"]["errors"]["min_minutes"] = 1
    params = tmp_path / "params.yaml"
    params.write_text(yaml.safe_dump(shipped))
    watched = settings.model_copy(update={"params_file": params})

    def look() -> str:
        watch_probation_again(engine, watched)
        with engine.connect() as connection:
            current = champion(connection)
        return current.version if current else ""

    with service_process(settings, tmp_path / "service.log") as (_, port):
        assert {status for status, _ in ask(port, NIGHT, 50)} == {200}
        wait_for(lambda: _written(engine) >= 50)
        broken = promote_by_retrain(
            engine, settings, tmp_path / "broken", nan_in_the_morning(), first, datetime.now(UTC)
        )
        wait_until_answering(port, broken)
        assert look() == broken
        assert {status for status, _ in ask(port, NIGHT, 40)} == {422}
        wait_for(lambda: look() == first)
        wait_until_answering(port, first)
        assert {status for status, _ in ask(port, NIGHT, 5)} == {200}

    with engine.connect() as connection:
        row = connection.execute(select(retrains)).one()
    assert row.state == "rolled back"
    assert re.search(r"it failed \d+ of \d+ requests", row.verdict)


def watch_probation_again(engine: Engine, settings: Settings) -> None:
    """The scheduler's job, without the minute that it leaves to other schedulers."""
    with write_transaction(engine) as connection:
        connection.exec_driver_sql("DELETE FROM leases")
    watch_probation(engine, settings, threading.Event(), Alerts([]))


def _written(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.sum(vitals.c.requests))).scalar_one() or 0


def quick_clock() -> Callable[[], datetime]:
    """A minute passes in SECONDS_A_MINUTE."""
    began, real = datetime.now(UTC), time.monotonic()
    return lambda: began + timedelta(minutes=(time.monotonic() - real) / SECONDS_A_MINUTE)


@pytest.mark.slow
def test_a_slow_champion_is_taken_back(
    engine: Engine, settings: Settings, first: str, tmp_path: Path
) -> None:
    clock = quick_clock()
    often = settings.model_copy(update={"vitals_seconds": SECONDS_A_MINUTE / 2})
    limits = {"latency": {"minutes": 3, "min_requests": 1, "least_ms": 5, "ratio": 1.5}}
    monitoring = load_params(ROOT / "params.yaml").monitoring
    shipped = monitoring.model_dump()
    shipped["probation"]["vitals"] |= limits
    shipped["probation"] |= {"shift": None, "estimate": None}
    params = type(monitoring).model_validate(shipped)
    with serving(often, clock=clock) as port:
        assert {status for status, _ in ask(port, NOON, 100)} == {200}
        now = clock()
        broken = promote_by_retrain(engine, settings, tmp_path / "slow", slow(), first, now)
        wait_until_answering(port, broken)
        found = None
        end = time.monotonic() + 3 * PATIENCE_SECONDS
        while found is None or found.rolled_back_to is None:
            assert time.monotonic() < end, found
            assert {status for status, _ in ask(port, NOON, 1)} == {200}
            found = run_probation(engine, settings.bundles_dir, params, clock(), outcomes=False)
        assert found.rolled_back_to == first
        assert "minutes are slow, and the model's own work is" in found.reason
        wait_until_answering(port, first)
