"""Several workers on PostgreSQL, as `python -m service` starts them."""

import http.client
import itertools
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Engine, Row, select

from contracts.audit import verify
from contracts.database import make_engine, write_transaction
from contracts.migrate import migrate
from contracts.registry import register
from contracts.settings import Settings
from contracts.tables import predictions, stage_changes
from contracts.traffic import Rule, arm_of
from contracts.traffic_rules import change_traffic, check_traffic
from tests.bundles import EXAMPLE
from tests.conftest import NOW, MadeBundle, make_champion
from tests.postgresql import temporary_postgresql
from tests.service.servers import Load, environment, post, service_process, wait_for

BODY = {"features": EXAMPLE}
KILLS = 20


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with temporary_postgresql() as url:
        yield url


@pytest.fixture
def many(
    url: str, settings: Settings, tmp_path: Path, bundle_a: MadeBundle, bundle_b: MadeBundle
) -> Iterator[tuple[Settings, Engine]]:
    """Settings of two workers, and their database with A as its champion."""
    changed = {
        "database_url": url,
        "workers": 2,
        "metrics_dir": tmp_path / "metrics",
        "spool_dir": tmp_path / "spool",
    }
    settings = settings.model_copy(update=changed)
    engine = make_engine(url)
    migrate(engine)
    for bundle in (bundle_a, bundle_b):
        register(engine, settings.bundles_dir, bundle.directory, NOW, {})
    make_champion(engine, bundle_a.version)
    yield settings, engine
    engine.dispose()


def get(port: int, path: str) -> str:
    """A GET on a connection of its own, so that any worker may answer."""
    for _ in range(5):  # the worker that took the connection may be the one that is killed
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            assert response.status == 200, response.read()
            return response.read().decode()
        except (OSError, http.client.HTTPException):
            continue
        finally:
            connection.close()
    raise AssertionError(f"{path} was never answered")


def counters(text: str) -> dict[str, float]:
    """Every series of a counter or histogram."""
    kinds = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    found = {}
    for series, value in lines:
        name = re.sub(r"_(bucket|count|sum)$", "", series.split("{")[0])
        if kinds.get(name, kinds.get(series.split("{")[0])) in ("counter", "histogram"):
            found[series] = float(value)
    return found


def workers_of(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.slow
def test_killed_workers_come_back_and_nothing_is_lost(
    many: tuple[Settings, Engine], tmp_path: Path
) -> None:
    settings, engine = many
    rng = random.Random(0)
    answered: dict[str, str] = {}
    statuses: list[int] = []
    seen: dict[str, float] = {}
    back: list[float] = []
    with service_process(settings, tmp_path / "log") as (process, port):
        for _ in range(KILLS):
            load = Load(port, BODY, threads=4)
            wait_for(lambda load=load: len(load.ids) > 40)
            victim = rng.choice(workers_of(process.pid))
            os.kill(victim, signal.SIGKILL)
            killed = time.monotonic()
            wait_for(lambda: sum("ready" in get(port, "/health/ready") for _ in range(8)) == 8)
            back.append(time.monotonic() - killed)
            now = counters(get(port, "/metrics"))
            gone_back = {name for name in seen if now.get(name, 0.0) < seen[name]}
            assert not gone_back
            seen = now
            load.stop()
            answered |= load.ids
            statuses += load.statuses
        process.terminate()
        assert process.wait(15) == 0
    assert set(statuses) == {200}
    with engine.connect() as connection:
        logged = set(connection.execute(select(predictions.c.prediction_id)).scalars())
    assert answered.keys() <= logged
    assert len(answered) > 40 * KILLS
    assert sorted(back)[KILLS // 2] < 2  # about 0.3 s where nothing else runs
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.slow
def test_all_workers_follow_a_promotion_within_a_second(
    many: tuple[Settings, Engine], tmp_path: Path, bundle_b: MadeBundle
) -> None:
    settings, engine = many
    with service_process(settings, tmp_path / "log") as (_process, port):
        make_champion(engine, bundle_b.version)
        time.sleep(1)
        for _ in range(30):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
            _, answer = post(connection, "/predict", BODY)
            connection.close()
            assert answer["model_version"] == bundle_b.version
        assert "perennial_workers 2.0" in get(port, "/metrics")


@pytest.mark.slow
def test_all_workers_follow_a_rule_within_a_second_and_route_alike(
    many: tuple[Settings, Engine], bundle_a: MadeBundle, bundle_b: MadeBundle, tmp_path: Path
) -> None:
    settings, engine = many
    make_champion(engine, bundle_a.version)
    rule = Rule("ab", bundle_b.version, 0.5, "temp")
    temperatures = [20 + number / 2 for number in range(20)]
    keys = [f"{temperature}" for temperature in temperatures]
    expected = {
        t: (bundle_a, bundle_b)[arm_of(rule, key) == "other"].version
        for t, key in zip(temperatures, keys, strict=True)
    }
    with service_process(settings, tmp_path / "log") as (_process, port):
        with engine.connect() as connection:
            checked = check_traffic(connection, settings.bundles_dir, rule)
        with write_transaction(engine) as connection:
            change_traffic(connection, checked, actor="a test", reason="to try", now=NOW)
        time.sleep(1.0)
        for _ in range(8):  # connections, which the workers share
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
            for temperature in temperatures:
                body = {"features": EXAMPLE | {"temp": temperature}}
                status, answer = post(connection, "/predict", body)
                assert (status, answer["model_version"]) == (200, expected[temperature])
            connection.close()
    assert set(expected.values()) == {bundle_a.version, bundle_b.version}


@pytest.mark.slow
def test_promotions_at_the_same_time_leave_one_history(
    many: tuple[Settings, Engine], bundle_a: MadeBundle, bundle_b: MadeBundle
) -> None:
    _settings, engine = many
    before = len(history(engine))

    def change(number: int) -> None:
        bundle = (bundle_a, bundle_b)[number % 2]
        for _ in range(10):
            make_champion(engine, bundle.version)

    threads = [Thread(target=change, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    changes = history(engine)
    assert len(changes) > before
    for earlier, later in itertools.pairwise(changes):
        assert later.previous_version == earlier.version != later.version
    with engine.connect() as connection:
        assert verify(connection) == []


def history(engine: Engine) -> list[Row[Any]]:
    with engine.connect() as connection:
        query = select(stage_changes).order_by(stage_changes.c.change_id)
        return list(connection.execute(query))


@pytest.mark.slow
def test_workers_end_with_their_supervisor(many: tuple[Settings, Engine], tmp_path: Path) -> None:
    settings, _ = many
    with service_process(settings, tmp_path / "log") as (process, port):
        workers = workers_of(process.pid)
        assert len(workers) == 2
        process.kill()
        process.wait()
        wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
        with pytest.raises(OSError, match="refused"):
            http.client.HTTPConnection("127.0.0.1", port, timeout=1).connect()


@pytest.mark.slow
def test_a_worker_that_cannot_start_ends_the_service(
    many: tuple[Settings, Engine], tmp_path: Path
) -> None:
    settings, _ = many
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "1.lock").mkdir()  # so that its slot cannot be taken
    done = run_service(settings, {})
    assert done.returncode == 1
    assert "metrics" in done.stderr


@pytest.mark.slow
def test_workers_on_sqlite_or_a_taken_port_are_refused_in_one_line(
    settings: Settings, engine: Engine, many: tuple[Settings, Engine], tmp_path: Path
) -> None:
    done = run_service(settings, {"PERENNIAL_WORKERS": "2"})
    assert done.returncode == 1
    assert "needs PostgreSQL" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    with service_process(many[0], tmp_path / "log") as (_process, port):
        other = {"PERENNIAL_PORT": str(port), "PERENNIAL_METRICS_DIR": str(tmp_path / "other")}
        done = run_service(many[0], other)
        assert done.returncode == 1
        assert "PERENNIAL_PORT" in done.stderr.strip().splitlines()[-1]
        done = run_service(many[0], {})
        assert done.returncode == 1
        assert "PERENNIAL_METRICS_DIR" in done.stderr.strip().splitlines()[-1]


def run_service(settings: Settings, change: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "service"],
        env={**environment(settings), **change},
        capture_output=True,
        text=True,
        timeout=60,
    )
