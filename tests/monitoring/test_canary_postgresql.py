"""A canary on PostgreSQL, where two schedulers may really decide at once."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from sqlalchemy import select

from contracts.bundle import load_bundle
from contracts.database import make_engine, write_transaction
from contracts.migrate import migrate
from contracts.monitoring_params import Monitoring
from contracts.registry import champion, promote, register
from contracts.tables import decisions
from contracts.traffic import Rule
from monitoring.canary import Finding, run_canary
from tests.monitoring.canaries import TRIED, alike, answer, begin, monitoring
from tests.monitoring.conftest import FEBRUARY, World
from tests.postgresql import temporary_postgresql

__all__ = ["alike", "monitoring"]
pytestmark = pytest.mark.slow


@pytest.fixture
def world(tmp_path: Path, trained: Path) -> Iterator[World]:
    with temporary_postgresql() as url:
        engine = make_engine(url)
        migrate(engine)
        version = register(engine, tmp_path / "bundles", trained, FEBRUARY, {})
        with write_transaction(engine) as connection:
            promote(connection, version, actor="test", reason="first", now=FEBRUARY)
        bundle = load_bundle(tmp_path / "bundles" / version)
        yield World(engine, bundle, tmp_path / "bundles", tmp_path / "reports")
        engine.dispose()


def test_of_many_that_decide_at_once_one_acts(
    world: World, alike: Path, february: pd.DataFrame, monitoring: Monitoring
) -> None:
    version = begin(world, alike, FEBRUARY, TRIED)
    flights = february[february.event_time < FEBRUARY + timedelta(hours=48)]
    answer(world, flights, Rule("canary", version, TRIED.share))
    ready, found = threading.Barrier(4), list[Finding | None]()

    def look() -> None:
        ready.wait()
        now = FEBRUARY + timedelta(hours=48)
        found.append(run_canary(world.engine, world.bundles, monitoring, now))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 4
    assert [each.state for each in found if each].count("promoted") == 1
    with world.engine.connect() as connection:
        current = champion(connection)
        assert connection.execute(select(decisions.c.answer)).scalars().all() == ["yes"]
    assert current is not None
    assert current.version == version
