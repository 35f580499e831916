"""`python -m service.keys`, as an operator uses it."""

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select
from starlette.testclient import TestClient

from contracts.settings import Settings
from contracts.tables import api_keys, audit_log
from service.access.key_store import (
    DeadKeyError,
    NewKey,
    UnknownKeyError,
    create_key,
    digest_of,
    prefix_of,
    revoke_key,
    rotate_key,
)
from tests.conftest import bearer
from tests.service.servers import environment, wait_for

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def keys_command(settings: Settings, engine: Engine) -> Command:
    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "service.keys", *arguments], env=environment(settings),
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip

    return run


def test_a_key_is_made_shown_once_listed_rotated_and_revoked(
    keys_command: Command, engine: Engine
) -> None:
    made = keys_command("create", "--name", "shop", "--scopes", "predict, outcomes",
                        "--expires-days", "30", "--rate", "600/minute")  # fmt: skip
    assert made.returncode == 0, made.stderr
    key = made.stdout.strip()
    assert re.fullmatch(r"perennial_[A-Za-z0-9_-]{43}", key)
    prefix = prefix_of(key)

    listed = keys_command("list").stdout
    assert key not in listed
    for part in (prefix, "valid", "predict,outcomes", "shop", "rate 600/minute"):
        assert part in listed

    turned = keys_command("rotate", prefix, "--grace-hours", "1")
    successor = turned.stdout.strip()
    assert successor.startswith("perennial_")
    assert prefix_of(successor) in turned.stderr
    ended = keys_command("revoke", prefix)
    assert ended.stdout == f"revoked {prefix} (shop), which was valid\n"
    lines = dict(line.split()[:2] for line in keys_command("list").stdout.splitlines())
    assert lines == {prefix: "revoked", prefix_of(successor): "valid"}

    with engine.connect() as connection:
        acts = connection.execute(select(audit_log.c.action, audit_log.c.subject)).all()
    assert acts == [(f"key {act}", prefix) for act in ("created", "rotated", "revoked")]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["create", "--name", "x", "--scopes", "predict,root"], "not of predict,outcomes"),
        (["create", "--name", "a\nb", "--scopes", "read"], "printable"),
        (["create", "--name", "x", "--scopes", "read", "--rate", "lots"], "600/minute"),
        (["create", "--name", "x", "--scopes", "read", "--expires-days", "nan"], "not from 0"),
        (["revoke", "perennial_nobody"], "there is no key 'perennial_nobody'"),
        (["rotate", "perennial_nobody"], "service.keys list"),
    ],
    ids=str,
)
def test_a_wrong_command_says_why(keys_command: Command, arguments: list[str], told: str) -> None:
    run = keys_command(*arguments)
    assert run.returncode in (1, 2)
    assert told in run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout == ""


def test_only_the_digest_is_stored(engine: Engine) -> None:
    key = create_key(engine, NewKey("x", ["read"]), actor="a test", now=NOW)
    with engine.connect() as connection:
        row = connection.execute(select(api_keys)).one()
    assert row.digest == digest_of(key.encode()).hex()
    assert (row.prefix, len(row.prefix), len(key)) == (key[:16], 16, 53)


def test_a_successor_has_the_same_rights_and_the_old_key_its_grace(
    closed: TestClient, keys: dict[str, str], engine: Engine
) -> None:
    now = datetime.now(UTC)
    new, _ = rotate_key(engine, prefix_of(keys["read"]), grace=DAY, actor="a test", now=now)
    short, _ = rotate_key(
        engine, prefix_of(keys["predict"]), grace=timedelta(0), actor="a test", now=now
    )
    wait_for(lambda: closed.get("/models", headers=bearer(new)).status_code == 200)
    assert closed.get("/models", headers=bearer(keys["read"])).status_code == 200
    assert closed.post("/models/rollback", headers=bearer(new)).status_code == 403
    assert closed.post("/predict", headers=bearer(keys["predict"])).status_code == 401
    assert closed.post("/predict", headers=bearer(short)).status_code == 422


def test_rotation_never_lengthens_a_life(engine: Engine) -> None:
    ends = NOW + timedelta(hours=1)
    key = create_key(engine, NewKey("x", ["read"], ends), actor="a test", now=NOW)
    _, until = rotate_key(engine, prefix_of(key), grace=DAY, actor="a test", now=NOW)
    assert until == ends
    with engine.connect() as connection:
        rows = connection.execute(select(api_keys).order_by(api_keys.c.rotated_from)).all()
    assert [row.expires_at for row in rows] == [ends, ends]
    assert {row.rotated_from for row in rows} == {None, rows[0].key_id}


def test_a_dead_key_cannot_be_rotated(engine: Engine) -> None:
    key = create_key(engine, NewKey("x", ["read"], NOW + DAY), actor="a test", now=NOW)
    with pytest.raises(DeadKeyError, match="expired"):
        rotate_key(engine, prefix_of(key), grace=DAY, actor="a test", now=NOW + DAY)
    revoke_key(engine, prefix_of(key), actor="a test", now=NOW)
    with pytest.raises(DeadKeyError, match="revoked"):
        rotate_key(engine, prefix_of(key), grace=DAY, actor="a test", now=NOW)
    with pytest.raises(UnknownKeyError, match="no key"):
        revoke_key(engine, key, actor="a test", now=NOW)  # a key itself is never an argument
