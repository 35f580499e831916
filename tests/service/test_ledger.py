import re
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import IntegrityError
from starlette.testclient import TestClient

from contracts.database import write_transaction
from contracts.settings import Settings
from contracts.tables import predictions
from service.app import create_app
from service.ledger.insert import COLUMNS, commit_sqlite, insert_rows
from service.ledger.sole_writer import SecondServiceError
from tests.bundles import EXAMPLE
from tests.conftest import NOW
from tests.service.servers import Load, environment, service_process, serving, wait_for

BODY = {"features": EXAMPLE}


def logged_ids(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(select(predictions.c.prediction_id)).scalars())


def test_a_locked_database_is_not_noticed_by_clients(client: TestClient, engine: Engine) -> None:
    (before,) = client.post("/predict", json=BODY).json()["prediction_id"]
    with write_transaction(engine):
        (during,) = client.post("/predict", json=BODY).json()["prediction_id"]
        outcome = client.post("/outcomes", json={"prediction_id": during, "outcome": 1})
        assert client.get(f"/predictions/{during}").status_code == 503
        assert client.get("/health/ready").json()["ledger"]["mode"] == "spooling"
    assert (outcome.status_code, outcome.json()["results"][0]["status"]) == (202, "accepted")
    wait_for(lambda: client.get("/health/ready").json()["ledger"]["mode"] == "direct")
    (after,) = client.post("/predict", json=BODY).json()["prediction_id"]
    assert logged_ids(engine) == {before, during, after}
    assert client.get(f"/predictions/{during}").json()["outcome"] == 1


def _made_directory(lock: Path) -> bool:
    """In place of the file, which a checkpoint while nothing is asked may make anew in between."""
    lock.unlink(missing_ok=True)
    try:
        lock.mkdir()
    except FileExistsError:
        return False
    return True


def test_a_failing_checkpoint_fails_no_answer(client: TestClient, engine: Engine) -> None:
    lock = Path(f"{engine.url.database}.lock")
    wait_for(lambda: _made_directory(lock))  # so that the checkpoint cannot take it
    full = {"instances": [EXAMPLE] * 10_000}  # enough rows for one checkpoint

    response = client.post("/predict", json=full)

    lock.rmdir()
    assert response.status_code == 200
    assert set(response.json()["prediction_id"]) == logged_ids(engine)
    told = re.search(r'errors_total{kind="checkpoint"} (\d)', client.get("/metrics").text)
    assert told and told[1] > "0"  # and again while nothing is asked


def test_a_failing_statement_is_not_noticed_by_clients(client: TestClient, engine: Engine) -> None:
    with write_transaction(engine) as connection:
        connection.exec_driver_sql("ALTER TABLE predictions RENAME TO elsewhere")
    for body in (BODY, {"instances": [EXAMPLE] * 500}):
        assert client.post("/predict", json=body).status_code == 200
    with write_transaction(engine) as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO predictions")
    wait_for(lambda: client.get("/health/ready").json()["ledger"]["mode"] == "direct")
    assert client.post("/predict", json=BODY).status_code == 200
    assert len(logged_ids(engine)) == 502


def test_concurrent_requests_get_their_own_answers(client: TestClient, engine: Engine) -> None:
    answers: dict[int, list[float]] = {}

    def ask(hour: int) -> None:
        rows = [{**EXAMPLE, "hour": hour}] * (hour + 1)
        answers[hour] = client.post("/predict", json={"instances": rows}).json()["probability"]

    threads = [Thread(target=ask, args=(hour,)) for hour in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = client.post(
        "/predict", json={"instances": [{**EXAMPLE, "hour": hour} for hour in range(24)]}
    ).json()["probability"]
    for hour in range(24):
        assert answers[hour] == pytest.approx([alone[hour]] * (hour + 1), abs=1e-6)


def test_every_way_to_insert_writes_the_same_row(engine: Engine) -> None:
    row = (NOW, NOW.replace(year=900), "v", '{"a": 1}', "1", 0.25, None)
    with engine.connect().execution_options(write=True) as connection:
        with connection.begin():
            connection.execute(
                insert(predictions).values(dict(zip(COLUMNS, ("core", *row), strict=True)))
            )
            assert insert_rows(connection, [("one", *row), ("core", *row)]) == 1
        assert commit_sqlite(connection, [("two", *row)]) == 1
        assert commit_sqlite(connection, [(f"many {i}", *row) for i in range(300)]) == 300
    with engine.connect() as connection:
        rows = list(connection.execute(select(predictions)))
    assert len(rows) == 303
    assert {one[1:] for one in rows} == {row}
    raw = sqlite3.connect(engine.url.database)
    texts = set(raw.execute("SELECT predicted_at, event_time FROM predictions"))
    raw.close()
    assert len(texts) == 1


def test_a_group_is_written_whole_or_not_at_all(engine: Engine) -> None:
    row = (NOW, NOW, "v", "{}", "1", 0.25, None)
    with engine.connect().execution_options(write=True) as connection:
        for rows in ([("x", *row)] * 2, [(f"{i % 299}", *row) for i in range(300)]):
            with pytest.raises((sqlite3.IntegrityError, IntegrityError), match="UNIQUE"):
                commit_sqlite(connection, rows)
    assert logged_ids(engine) == set()


def test_the_write_ahead_log_is_copied_at_the_end(settings: Settings, champion: str) -> None:
    with TestClient(create_app(settings)) as client:
        client.post("/predict", json={"instances": [EXAMPLE] * 1000})
    database = settings.database_url.removeprefix("sqlite:///")
    alone = Path(f"{database}.copy")
    alone.write_bytes(Path(database).read_bytes())  # without its -wal
    raw = sqlite3.connect(alone)
    assert raw.execute("SELECT count(*) FROM predictions").fetchone() == (1000,)
    raw.close()


def test_a_second_service_on_one_sqlite_file_is_refused(
    client: TestClient, settings: Settings
) -> None:
    with pytest.raises(SecondServiceError, match="PostgreSQL"):
        with TestClient(create_app(settings)):
            pass


def test_stopping_writes_what_was_answered(
    settings: Settings, champion: str, engine: Engine
) -> None:
    with serving(settings) as port:
        load = Load(port, BODY)
        wait_for(lambda: len(load.ids) > 50)
    load.stop()
    assert load.ids.keys() <= logged_ids(engine)


@pytest.mark.slow
def test_kill_9_under_load_loses_no_answered_row(
    settings: Settings, champion: str, engine: Engine, tmp_path: Path
) -> None:
    with service_process(settings, tmp_path / "log") as (process, port):
        load = Load(port, BODY, threads=8)
        wait_for(lambda: len(load.ids) > 500)
        process.send_signal(signal.SIGKILL)
        process.wait()
        load.stop()
    assert len(load.ids) > 500
    assert load.ids.keys() <= logged_ids(engine)


@pytest.mark.slow
def test_sigterm_ends_the_process_cleanly(
    settings: Settings, champion: str, tmp_path: Path
) -> None:
    with service_process(settings, tmp_path / "log") as (process, _port):
        process.terminate()
        assert process.wait(10) in (0, -signal.SIGTERM)
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "contracts.migrate"),
        ({"PERENNIAL_PORT": "many"}, "PERENNIAL_PORT"),
        ({"PERENNIAL_DATABASE_URL": "mysql://x/y"}, "not sqlite or postgresql"),
        ({"PERENNIAL_WORKERS": "2"}, "needs PostgreSQL"),
    ],
    ids=["no tables", "settings", "database", "workers"],
)
def test_a_start_that_cannot_work_says_so_in_one_line(
    settings: Settings, change: dict, message: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "service"],
        env={**environment(settings), **change},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_an_idle_ledger_leaves_an_empty_log(
    settings: Settings, champion: str, engine: Engine
) -> None:
    """So that what somebody erased is not in it either."""
    log = Path(f"{engine.url.database}-wal")
    with TestClient(create_app(settings)) as client:
        assert client.post("/predict", json=BODY).status_code == 200
        wait_for(lambda: log.stat().st_size == 0)
        assert client.post("/predict", json=BODY).status_code == 200
