"""The same service on PostgreSQL; a server is started for these tests where one is installed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text
from starlette.testclient import TestClient

from contracts.database import make_engine
from contracts.migrate import migrate
from contracts.registry import register
from contracts.settings import Settings
from contracts.tables import predictions
from service.app import create_app
from tests.bundles import EXAMPLE
from tests.conftest import NOW, OPEN, MadeBundle, bearer, make_champion, make_key
from tests.postgresql import temporary_postgresql
from tests.service.servers import wait_for
from tests.service.test_sign_in import PAGE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with temporary_postgresql() as url:
        yield url


@pytest.fixture
def on_postgresql(
    url: str, tmp_path: Path, bundle_a: MadeBundle, bundle_b: MadeBundle
) -> Iterator[tuple[TestClient, Engine]]:
    settings = Settings(
        _env_file=None,
        database_url=url,
        bundles_dir=tmp_path / "bundles",
        reports_dir=tmp_path / "reports",
        **OPEN,
        spool_dir=tmp_path / "spool",
    )
    engine = make_engine(url)
    migrate(engine)
    for bundle in (bundle_a, bundle_b):
        register(engine, settings.bundles_dir, bundle.directory, NOW, {})
    make_champion(engine, bundle_a.version)
    with TestClient(create_app(settings)) as client:
        yield client, engine
    engine.dispose()


def test_rows_outcomes_and_swaps_are_the_same(
    on_postgresql: tuple[TestClient, Engine], bundle_b: MadeBundle
) -> None:
    client, engine = on_postgresql
    answer = client.post("/predict", json={"instances": [EXAMPLE] * 300}).json()
    with engine.connect() as connection:
        rows = list(connection.execute(select(predictions)))
    assert {row.prediction_id for row in rows} == set(answer["prediction_id"])
    assert json.loads(rows[0].features) == EXAMPLE
    one = answer["prediction_id"][0]
    for outcome, status in ((1, "recorded"), (1, "unchanged"), (0, "corrected")):
        body = {"prediction_id": one, "outcome": outcome}
        assert client.post("/outcomes", json=body).json()["results"][0]["status"] == status
    assert client.post("/outcomes", json={"prediction_id": "\0", "outcome": 1}).status_code == 404
    assert client.get("/predictions/a%00b").status_code == 404
    assert [row["outcome"] for row in client.get(f"/predictions/{one}").json()["outcomes"]] == [
        1,
        0,
    ]
    headers = bearer(make_key(engine, "admin"))
    wait_for(lambda: client.get("/models", headers=headers).status_code == 200)
    client.post(f"/models/{bundle_b.version}/promote", headers=headers)
    answer = client.post("/predict", json={"features": EXAMPLE}).json()
    assert answer["model_version"] == bundle_b.version
    assert client.get("/reports").status_code == 200


def test_a_lost_connection_is_not_noticed_by_clients(
    on_postgresql: tuple[TestClient, Engine],
) -> None:
    client, engine = on_postgresql
    assert client.post("/predict", json={"features": EXAMPLE}).status_code == 200
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    with engine.connect() as connection:
        connection.execute(text(others))
    statuses = [client.post("/predict", json={"features": EXAMPLE}).status_code for _ in range(2)]
    assert statuses == [200, 200]
    assert client.get("/models").status_code == 200


def test_pages_find_tell_and_record_there_too(on_postgresql: tuple[TestClient, Engine]) -> None:
    client, _ = on_postgresql
    at = "2026-05-01T10:00:00Z"
    body = {"instances": [EXAMPLE] * 60 + [{**EXAMPLE, "carrier": "PG"}], "event_time": at}
    *_, last = client.post("/predict", json=body).json()["prediction_id"]
    for query in ("", "feature=carrier&value=PG", "from=2026-05-01T00:00&to=2026-05-02T00:00",
                  f"from=2026-05-01T00:00&at={at}&before={last[:-1]}~", "version=%00"):  # fmt: skip
        page = client.get(f"/predictions?{query}", headers=PAGE)
        assert (page.status_code, last in page.text) == (200, query != "version=%00"), query
    assert client.get(f"/predictions?id={last}", headers=PAGE).url.path == f"/predictions/{last}"
    assert client.get("/predictions?id=" + "%00" * 36, headers=PAGE).status_code == 422

    table = f"prediction_id,outcome\n{last},1\n\x01,1"
    told = client.post("/outcomes/table", data={"table": table}).text
    assert "1 recorded" in told and "1 unknown" in told
    assert last not in client.get("/outcomes", headers=PAGE).text
