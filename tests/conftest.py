"""Fixtures that every part of the tests shares: bundles, a database, an app and its client."""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine

from contracts.database import write_transaction
from contracts.registry import promote, register
from contracts.settings import Settings
from service.access.caller import Scope
from service.access.key_store import ALL_SCOPES, NewKey, create_key, prefix_of, revoke_key
from service.app import create_app
from tests.bundles import make_bundle
from tests.migrated import migrated_engine

with warnings.catch_warnings():
    # Starlette would rather have httpx2; every test module after this one finds it imported.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

NOW = datetime(2026, 1, 1, tzinfo=UTC)
# To whoever reaches it, also under the name that Starlette's TestClient uses.
OPEN = {"access": "open", "allowed_hosts": "testserver,localhost,127.0.0.1"}
WRONG_KEY = "perennial_" + "x" * 43


@dataclass(frozen=True)
class MadeBundle:
    """A bundle on disk, not registered anywhere."""

    version: str
    directory: Path


@pytest.fixture(scope="session")
def bundle_a(tmp_path_factory: pytest.TempPathFactory) -> MadeBundle:
    directory = tmp_path_factory.mktemp("bundles") / "a"
    return MadeBundle(make_bundle(directory, seed=0), directory)


@pytest.fixture(scope="session")
def bundle_b(tmp_path_factory: pytest.TempPathFactory) -> MadeBundle:
    directory = tmp_path_factory.mktemp("bundles") / "b"
    return MadeBundle(make_bundle(directory, seed=1), directory)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A place of its own for each test; no .env is read."""
    return Settings(
        _env_file=None,
        database_url=f"sqlite:///{tmp_path}/perennial.db",
        bundles_dir=tmp_path / "bundles",
        reports_dir=tmp_path / "reports",
        work_dir=tmp_path / "retrains",
        spool_dir=tmp_path / "spool",
        champion_poll_seconds=0.02,
        **OPEN,
    )


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """The migrated, empty database of this test."""
    engine = migrated_engine(settings.database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def registered(
    engine: Engine, settings: Settings, bundle_a: MadeBundle, bundle_b: MadeBundle
) -> tuple[str, str]:
    """Versions A and B, registered; nobody is champion."""
    for bundle in (bundle_a, bundle_b):
        register(engine, settings.bundles_dir, bundle.directory, NOW, {"by": "a test"})
    return bundle_a.version, bundle_b.version


@pytest.fixture
def champion(engine: Engine, registered: tuple[str, str]) -> str:
    """Version A, promoted."""
    make_champion(engine, registered[0])
    return registered[0]


@pytest.fixture
def keys(engine: Engine) -> dict[str, str]:
    """Keys of every kind: one per scope, all scopes, and those that must not count."""
    now = datetime.now(UTC)
    made = {kind: make_key(engine, kind) for kind in ALL_SCOPES}
    made["all"] = make_key(engine, *ALL_SCOPES)
    made["revoked"] = make_key(engine, *ALL_SCOPES)
    revoke_key(engine, prefix_of(made["revoked"]), actor="a test", now=now)
    made["expired"] = make_key(engine, *ALL_SCOPES, expires_at=now - timedelta(seconds=1))
    return {**made, "wrong": WRONG_KEY}


@pytest.fixture
def admin(engine: Engine) -> dict[str, str]:
    """Headers of whoever may promote; made before the service starts, so it knows the key."""
    return bearer(make_key(engine, "admin"))


@pytest.fixture
def client(settings: Settings, champion: str, admin: dict[str, str]) -> Iterator[TestClient]:
    """The whole service, with A as its champion, open to whoever reaches it."""
    with TestClient(create_app(settings)) as client:
        yield client


@pytest.fixture
def closed_settings(settings: Settings) -> Settings:
    """As in production: every request needs a key."""
    return settings.model_copy(update={"access": "closed"})


@pytest.fixture
def closed(closed_settings: Settings, champion: str, keys: dict[str, str]) -> Iterator[TestClient]:
    """The whole service, closed to strangers."""
    with TestClient(create_app(closed_settings)) as client:
        yield client


def make_key(engine: Engine, *scopes: Scope, expires_at: datetime | None = None) -> str:
    new = NewKey("a test", scopes, expires_at)
    return create_key(engine, new, actor="a test", now=datetime.now(UTC))


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def make_champion(engine: Engine, version: str) -> None:
    with write_transaction(engine) as connection:
        promote(connection, version, actor="a test", reason="to try", now=NOW)
