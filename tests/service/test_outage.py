"""The whole service while its database cannot be written, and after."""

import asyncio
import json
import shutil
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, func, select
from starlette.testclient import TestClient

from contracts.database import write_transaction
from contracts.settings import Settings
from contracts.tables import outcomes, predictions
from service.app import create_app, utc_now
from service.ledger.ledger import Ledger
from service.ledger.spool import open_spool
from service.ledger.store import LedgerUnavailableError
from service.observe.metrics import Metrics
from tests.bundles import EXAMPLE
from tests.service.servers import Load, serving, wait_for
from tests.service.test_health import metric

BODY = {"features": EXAMPLE}
MANY = {"instances": [EXAMPLE] * 50}


@contextmanager
def outage(engine: Engine) -> Iterator[None]:
    """Statements fail at once, which is an outage that a test need not wait for."""
    rename(engine, "predictions", "elsewhere")
    try:
        yield
    finally:
        rename(engine, "elsewhere", "predictions")


def rename(engine: Engine, old: str, new: str) -> None:
    with write_transaction(engine) as connection:
        connection.exec_driver_sql(f"ALTER TABLE {old} RENAME TO {new}")


def ledger(client: TestClient) -> dict:
    return client.get("/health/ready").json()["ledger"]


def wait_until_direct(client: TestClient) -> None:
    wait_for(lambda: ledger(client)["mode"] == "direct")


def logged_ids(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(predictions.c.prediction_id)).scalars())


def predict(client: TestClient, body: object = BODY) -> list[str]:
    response = client.post("/predict", json=body)
    assert response.status_code == 200, response.text
    return response.json()["prediction_id"]


def test_health_and_metrics_follow_the_rows(client: TestClient, engine: Engine) -> None:
    predict(client)
    with outage(engine):
        predict(client, MANY)
        during = ledger(client)
        assert metric(client, "perennial_ledger_spooling") == 1
    assert (during["mode"], during["waiting_rows"], during["balanced"]) == ("spooling", 50, True)
    assert (during["answered"], during["stored"], during["spooled"]) == (51, 1, 50)
    assert during["spool_bytes"] > 5_000
    wait_until_direct(client)
    after = ledger(client)
    assert (after["replayed"], after["waiting_rows"], after["spool_bytes"]) == (50, 0, 0)
    assert after["warnings"] == []
    assert metric(client, "perennial_ledger_rows_replayed_total") == 50
    assert metric(client, "perennial_ledger_unbalanced_rows") == 0
    assert metric(client, "perennial_ledger_spooling") == 0


def test_under_load_it_goes_back_to_the_database(
    settings: Settings, champion: str, engine: Engine
) -> None:
    with serving(settings) as port:
        load = Load(port, BODY, threads=8)
        wait_for(lambda: len(load.ids) > 20)
        with write_transaction(engine):  # another process holds the lock
            wait_for(lambda: state_at(port)["mode"] == "spooling")
            before = len(load.ids)
            wait_for(lambda: len(load.ids) > before + 20)
        wait_for(lambda: state_at(port)["mode"] == "direct")
        load.stop()
        assert state_at(port)["balanced"]
    assert set(load.statuses) == {200}
    assert load.ids.keys() <= set(logged_ids(engine))


def state_at(port: int) -> dict:
    url = f"http://127.0.0.1:{port}/health/ready"
    with urllib.request.urlopen(url) as response:
        return json.load(response)["ledger"]


def test_a_restart_replays_what_waits(settings: Settings, champion: str, engine: Engine) -> None:
    with outage(engine):
        with TestClient(create_app(settings)) as client:
            ids = predict(client, MANY) + predict(client)
    with TestClient(create_app(settings)) as client:
        wait_until_direct(client)
        assert ledger(client)["replayed"] == 51
    assert sorted(logged_ids(engine)) == sorted(ids)


def test_a_replay_that_was_not_noted_repeats_nothing(
    settings: Settings, champion: str, engine: Engine, tmp_path: Path
) -> None:
    with outage(engine):
        with TestClient(create_app(settings)) as client:
            ids = predict(client, MANY)
            for outcome in (1, 0, 1):
                client.post("/outcomes", json={"prediction_id": ids[0], "outcome": outcome})
    shutil.copytree(settings.spool_dir, tmp_path / "copy")
    for _ in range(2):
        shutil.rmtree(settings.spool_dir)
        shutil.copytree(tmp_path / "copy", settings.spool_dir)
        with TestClient(create_app(settings)) as client:
            wait_until_direct(client)
    assert sorted(logged_ids(engine)) == sorted(ids)
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(outcomes)).scalar() == 3


def test_what_another_dead_process_left_is_replayed_too(
    settings: Settings, champion: str, engine: Engine
) -> None:
    with outage(engine):
        with TestClient(create_app(settings)) as client:
            ids = predict(client, MANY)
    holder = open_spool(settings.spool_dir, 1_000_000)  # keeps the first slot for a while
    with TestClient(create_app(settings)) as client:
        assert client.get(f"/predictions/{'0' * 36}").status_code == 503
        holder.close()
        wait_for(lambda: len(logged_ids(engine)) == len(ids))
        wait_for(lambda: client.get(f"/predictions/{'0' * 36}").status_code == 404)


def test_when_nothing_durable_is_possible_it_is_503(
    settings: Settings, champion: str, engine: Engine
) -> None:
    small = settings.model_copy(update={"spool_max_bytes": 60_000})
    with TestClient(create_app(small)) as client:
        with outage(engine):
            ids = predict(client, MANY)
            while (response := client.post("/predict", json=MANY)).status_code == 200:
                ids += response.json()["prediction_id"]
            assert response.status_code == 503
            assert response.headers["retry-after"] == "1"
            assert "nothing was recorded" in response.json()["detail"]
            full = ledger(client)
            assert full["balanced"]
            assert "full" in full["warnings"][0]
        wait_until_direct(client)
        ids += predict(client)
    assert sorted(logged_ids(engine)) == sorted(ids)


def test_a_damaged_record_is_quarantined_and_the_others_are_kept(
    settings: Settings, champion: str, engine: Engine
) -> None:
    with outage(engine):
        with TestClient(create_app(settings)) as client:
            ids = [predict(client) for _ in range(5)]
    (segment,) = settings.spool_dir.glob("0/*.spool")
    content = bytearray(segment.read_bytes())
    content[len(content) // 2] ^= 1  # in the third of five equal records
    segment.write_bytes(content)
    with TestClient(create_app(settings)) as client:
        wait_until_direct(client)
        state = ledger(client)
        assert (state["replayed"], state["quarantined"]) == (4, 1)
        assert "quarantine" in state["warnings"][0]
    assert sorted(logged_ids(engine)) == sorted(ids[0] + ids[1] + ids[3] + ids[4])
    (kept,) = settings.spool_dir.glob("0/quarantine/*.damaged")
    assert kept.read_bytes() in bytes(content)
    assert ids[2][0].encode() in kept.read_bytes()


def test_a_row_that_the_database_refuses_blocks_no_other(
    settings: Settings, champion: str, engine: Engine
) -> None:
    with TestClient(create_app(settings)) as client:
        with outage(engine):
            ids = [predict(client) for _ in range(3)]
            many = predict(client, MANY)
            refused = {ids[1][0], many[20]}
            refuse(engine, refused)
        wait_until_direct(client)
        assert ledger(client)["quarantined"] == 2
    assert set(logged_ids(engine)) == {*ids[0], *ids[2], *many} - refused
    kept = [json.loads(line.rpartition(b"] ")[0] + b"]") for line in quarantined(settings)]
    assert {rows[0][0] for _, rows, *_ in kept} == refused


def refuse(engine: Engine, ids: set[str]) -> None:
    listed = ", ".join(f"'{one}'" for one in ids)
    with write_transaction(engine) as connection:
        connection.exec_driver_sql(
            f"CREATE TRIGGER refuse BEFORE INSERT ON elsewhere WHEN NEW.prediction_id IN ({listed})"
            " BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )


def quarantined(settings: Settings) -> list[bytes]:
    files = settings.spool_dir.glob("0/quarantine/*.refused")
    return [line for file in files for line in file.read_bytes().split(b"\n")]


def test_outcomes_wait_too_and_unknown_ones_are_kept_and_told(
    client: TestClient, engine: Engine, champion: str
) -> None:
    (before,) = predict(client)
    with outage(engine):
        (during,) = predict(client)
        rows = [{"prediction_id": one, "outcome": 1} for one in (before, during, "x" * 36, "\0")]
        response = client.post("/outcomes", json={"outcomes": rows})
        assert response.status_code == 207
        assert [one["code"] for one in response.json()["results"]] == [202, 202, 202, 404]
        assert client.post("/outcomes", json=rows[0]).status_code == 202
    wait_until_direct(client)
    assert ledger(client)["unknown_outcomes"] == 1
    with engine.connect() as connection:  # its row may come later, from another spool
        kept = set(connection.execute(select(outcomes.c.prediction_id)).scalars())
    assert kept == {before, during, "x" * 36}
    for one in (before, during):
        row = client.get(f"/predictions/{one}").json()
        assert [entry["outcome"] for entry in row["outcomes"]] == [1]


def test_a_faster_mode_says_so(settings: Settings, champion: str) -> None:
    fast = settings.model_copy(update={"durability": "fast"})
    with TestClient(create_app(fast)) as client:
        predict(client)
        state = ledger(client)
    assert state["durability"] == "fast"
    assert "power cut" in state["warnings"][0]


def test_other_tasks_do_not_wait_in_the_spool(settings: Settings, engine: Engine) -> None:
    def fail(connection: Connection) -> None:
        connection.exec_driver_sql("SELECT nothing")

    async def main() -> None:
        ledger = Ledger(engine, Metrics(), utc_now, settings)
        ledger.start()
        for _ in range(2):  # at the database first, then at the spool
            with pytest.raises(LedgerUnavailableError, match="nothing was recorded"):
                await ledger.run(fail)
        await ledger.stop()

    asyncio.run(main())
