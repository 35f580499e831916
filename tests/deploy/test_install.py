"""A release installs itself: tables, its bundle, its keys; and doing it again changes nothing."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from contracts.database import make_engine
from contracts.registry import champion
from contracts.settings import Settings
from contracts.tables import api_keys, audit_log, model_versions, stage_changes
from service.access.key_store import ALL_SCOPES, FORM
from tests.conftest import MadeBundle
from tests.service.servers import environment

KEY = "perennial_" + "k" * 43
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def install(settings: Settings) -> Command:
    """`python -m deploy.install` on a database that does not exist yet."""

    def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "deploy.install", *map(str, arguments)],
            env=environment(settings), capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    return run


@pytest.fixture
def empty(settings: Settings) -> Engine:
    return make_engine(settings.database_url, pooled=False)


def test_an_empty_database_gets_tables_a_champion_and_keys(
    install: Command, empty: Engine, bundle_a: MadeBundle, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    done = install("--bundle", bundle_a.directory, "--key", f"scraper:read:{tmp_path}/key")

    assert done.returncode == 0, done.stderr
    with empty.connect() as connection:
        current = champion(connection)
        [key] = connection.execute(select(api_keys)).all()
    assert current is not None
    assert current.version == bundle_a.version
    assert (key.name, key.scopes) == ("scraper", '["read"]')


def test_doing_it_again_changes_nothing(
    install: Command, empty: Engine, bundle_a: MadeBundle, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text(KEY)
    arguments = ("--bundle", bundle_a.directory, "--key",
                 f"everybody:{','.join(ALL_SCOPES)}:{tmp_path}/key")  # fmt: skip
    install(*arguments)
    before = _counts(empty)

    assert install(*arguments).returncode == 0
    assert _counts(empty) == before


def test_a_later_bundle_waits_unless_it_is_wanted(
    install: Command, empty: Engine, bundle_a: MadeBundle, bundle_b: MadeBundle
) -> None:
    install("--bundle", bundle_a.directory)
    waits = install("--bundle", bundle_b.directory).stdout
    wanted = install("--bundle", bundle_b.directory, "--promote").stdout

    assert waits == f"champion {bundle_a.version}; this release carries {bundle_b.version}\n"
    assert wanted == f"champion {bundle_b.version}; this release carries {bundle_b.version}\n"


@pytest.mark.parametrize("key", ["", "secret", "perennial_short"])
def test_a_key_that_can_be_guessed_is_refused(
    install: Command, bundle_a: MadeBundle, tmp_path: Path, key: str
) -> None:
    (tmp_path / "key").write_text(key)
    refused = install("--bundle", bundle_a.directory, "--key", f"x:read:{tmp_path}/key")

    assert not FORM.fullmatch(key)
    assert refused.returncode == 1
    assert "at least 43" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_what_is_missing_is_named(install: Command, bundle_a: MadeBundle, tmp_path: Path) -> None:
    no_bundle = install("--bundle", tmp_path / "nothing")
    no_key = install("--bundle", bundle_a.directory, "--key", f"x:read:{tmp_path}/key")

    assert str(tmp_path / "nothing") in no_bundle.stderr
    assert f"{tmp_path}/key" in no_key.stderr
    assert "Traceback" not in no_bundle.stderr + no_key.stderr


def _counts(engine: Engine) -> list[int]:
    tables = (model_versions, stage_changes, api_keys, audit_log)
    with engine.connect() as connection:
        return [
            connection.execute(select(func.count()).select_from(t)).scalar_one() for t in tables
        ]
