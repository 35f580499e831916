"""Two processes' worth of the service on one PostgreSQL: one set of keys, one audit log."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from contracts.audit import verify
from contracts.database import make_engine
from contracts.migrate import migrate
from contracts.settings import Settings
from contracts.tables import audit_log
from service.access.key_store import prefix_of, revoke_key
from service.app import create_app
from tests.conftest import bearer, make_key
from tests.postgresql import temporary_postgresql

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    with temporary_postgresql() as url:
        yield Settings(
            _env_file=None,
            database_url=url,
            bundles_dir=tmp_path / "bundles",
            reports_dir=tmp_path / "reports",
            spool_dir=tmp_path / "spool",
            allowed_hosts="testserver",
        )


def test_both_refuse_a_revoked_key_and_share_one_unbroken_log(settings: Settings) -> None:
    engine = make_engine(settings.database_url)
    migrate(engine)
    key, other = make_key(engine, "read"), make_key(engine, "read")
    places = [settings.spool_dir / name for name in ("one", "two")]
    apps = [create_app(settings.model_copy(update={"spool_dir": place})) for place in places]
    with TestClient(apps[0]) as one, TestClient(apps[1]) as two:
        for client in (one, two):
            assert client.get("/models", headers=bearer(key)).status_code == 200
        revoke_key(engine, prefix_of(key), actor="a test", now=datetime.now(UTC))
        time.sleep(1)
        for client in (one, two) * 20:
            assert client.get("/models", headers=bearer(key)).status_code == 401
            assert client.get("/models", headers=bearer(other)).status_code == 200
    with engine.connect() as connection:
        assert verify(connection) == []
        refused = select(audit_log).where(audit_log.c.action == "refused")
        assert len(connection.execute(refused).all()) == 40
    engine.dispose()
