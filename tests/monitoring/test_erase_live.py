"""Erasing beside a running service, also while its spool still holds the subject's rows."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from contracts.database import write_transaction
from contracts.settings import Settings
from contracts.subject import Subject
from contracts.tables import predictions
from monitoring.erase import run_erasure
from monitoring.retention import run_retention
from monitoring.scrub import files_with
from tests.bundles import EXAMPLE
from tests.monitoring.test_retention import NOW, fill, left, params
from tests.service.servers import Load, serving, wait_for

WHO = "customer-4711"
SUBJECT = Subject("carrier", WHO)
THEIRS = {"features": {**EXAMPLE, "carrier": WHO}}
OTHERS = {"features": EXAMPLE}

pytestmark = pytest.mark.slow


def carriers(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        features = connection.execute(select(predictions.c.features)).scalars()
        return {"theirs" if WHO in one else "others" for one in features}


def test_a_running_service_forgets_what_it_holds(
    settings: Settings, champion: str, engine: Engine
) -> None:
    with serving(settings) as port:
        with write_transaction(engine):  # so that rows go to the spool
            load, theirs = Load(port, OTHERS), Load(port, THEIRS)
            wait_for(lambda: len(theirs.ids) > 50)
            theirs.stop()
        found, done = run_erasure(
            engine, settings, SUBJECT, lambda: datetime.now(UTC), actor="a test", wait_seconds=30
        )
        load.stop()

        assert done.finished and done.remarks == []
        assert done.predictions >= len(theirs.ids)
        assert carriers(engine) == {"others"}
        assert not files_with(engine, SUBJECT)
        assert {*load.statuses, *theirs.statuses} == {200}


def test_retention_sends_no_row_to_the_spool(
    settings: Settings, champion: str, engine: Engine
) -> None:
    with write_transaction(engine) as connection:
        fill(connection)
    with serving(settings) as port:
        load = Load(port, OTHERS, threads=1)
        run_retention(engine, params(days=60), lambda: NOW, threading.Event())
        load.stop()
    assert left(engine)[0] == 600 + len(load.ids)
    assert set(load.statuses) == {200}
    assert not any(Path(settings.spool_dir).glob("*/*.spool"))
