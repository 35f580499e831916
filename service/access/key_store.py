"""API keys in the database: made, listed, rotated, revoked; each act is in the audit log.

A key is 256 random bits, so its plain SHA-256 says nothing about it: what is stored recognises a
key and cannot be used as one (docs/adr/0018).
"""

import hashlib
import json
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Engine, Row, insert, or_, select, update

from contracts.audit import record
from contracts.database import write_transaction
from contracts.tables import api_keys
from service.access.caller import Scope

MARK = "perennial_"
PREFIX_LENGTH = 16  # 36 of the 256 bits
SECRET_LENGTH = 43  # 256 bits in base64
FORM = re.compile(rf"{MARK}[A-Za-z0-9_-]{{{SECRET_LENGTH},200}}")
ALL_SCOPES: tuple[Scope, ...] = ("predict", "outcomes", "read", "admin")


class UnknownKeyError(LookupError):
    """No key, or more than one, is meant."""

    def __init__(self, which: str, problem: str) -> None:
        super().__init__(f"{problem} {which!r}; `python -m service.keys list` shows all")


class WeakKeyError(ValueError):
    """What is to be a key can be guessed."""

    def __init__(self) -> None:
        super().__init__(
            f"a key is {MARK} and at least {SECRET_LENGTH} of A-Z a-z 0-9 _ -; "
            "`python -m deploy.secrets` makes one"
        )


class DeadKeyError(ValueError):
    """A key that is revoked or expired cannot be rotated."""

    def __init__(self, prefix: str, state: str) -> None:
        super().__init__(f"{prefix} is {state}; make another: `python -m service.keys create`")


@dataclass(frozen=True)
class NewKey:
    """What a key may do and how long.

    Attributes:
        rate, quota: in rows, like "600/minute"; None = no limit.
    """

    name: str
    scopes: Collection[Scope]
    expires_at: datetime | None = None
    rate: str | None = None
    quota: str | None = None


def create_key(engine: Engine, new: NewKey, *, actor: str, now: datetime) -> str:
    """Make a key; returns it, the only time that it can be seen."""
    key = MARK + secrets.token_urlsafe(32)
    with write_transaction(engine) as connection:
        _insert(connection, key, new, None, now)
        detail = {"name": new.name, "scopes": sorted(new.scopes)}
        _record(connection, "key created", prefix_of(key), actor, now, detail)
    return key


def import_key(engine: Engine, key: str, new: NewKey, *, actor: str, now: datetime) -> bool:
    """Let in whoever has a key that was made elsewhere, as for a machine that needs it in a file.

    Returns:
        Whether it is new; one that is known stays as it is, revoked ones too.

    Raises:
        WeakKeyError: it can be guessed.
    """
    if not FORM.fullmatch(key):
        raise WeakKeyError
    known = select(api_keys.c.key_id).where(api_keys.c.digest == digest_of(key.encode()).hex())
    with write_transaction(engine) as connection:
        if connection.execute(known).first() is not None:
            return False
        _insert(connection, key, new, None, now)
        detail = {"name": new.name, "scopes": sorted(new.scopes)}
        _record(connection, "key imported", prefix_of(key), actor, now, detail)
    return True


def rotate_key(
    engine: Engine, which: str, *, grace: timedelta, actor: str, now: datetime
) -> tuple[str, datetime]:
    """Make a successor with the same rights and end; the old key stays valid for `grace`.

    Returns:
        The successor, and when the old key ends.

    Raises:
        UnknownKeyError, DeadKeyError: nothing was changed.
    """
    with write_transaction(engine) as connection:
        old = find_key(connection, which)
        if state_of(old, now) != "valid":
            raise DeadKeyError(old.prefix, state_of(old, now))
        ends = min(now + grace, old.expires_at or datetime.max.replace(tzinfo=now.tzinfo))
        scopes = json.loads(old.scopes)
        new = NewKey(old.name, scopes, old.expires_at, old.rate, old.quota)
        key = MARK + secrets.token_urlsafe(32)
        _insert(connection, key, new, old.key_id, now)
        _change(connection, old, expires_at=ends)
        detail = {"successor": prefix_of(key), "valid_until": ends.isoformat()}
        _record(connection, "key rotated", old.prefix, actor, now, detail)
    return key, ends


def revoke_key(engine: Engine, which: str, *, actor: str, now: datetime) -> Row[Any]:
    """End a key now; revoking again changes nothing. Returns its row as it was.

    Raises:
        UnknownKeyError: nothing was changed.
    """
    with write_transaction(engine) as connection:
        row = find_key(connection, which)
        _revoke(connection, row, actor, now)
    return row


def revoke_named(engine: Engine, name: str, *, actor: str, now: datetime) -> None:
    """End every key of this name."""
    with write_transaction(engine) as connection:
        for row in connection.execute(select(api_keys).where(api_keys.c.name == name)).all():
            _revoke(connection, row, actor, now)


def list_keys(connection: Connection) -> list[Row[Any]]:
    """Rows of api_keys, oldest first."""
    query = select(api_keys).order_by(api_keys.c.created_at, api_keys.c.key_id)
    return list(connection.execute(query))


def valid_keys(connection: Connection, now: datetime) -> list[Row[Any]]:
    """Rows of api_keys that let a request in now."""
    lasting = or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now)
    query = select(api_keys).where(api_keys.c.revoked_at.is_(None), lasting)
    return list(connection.execute(query.order_by(api_keys.c.key_id)))


def find_key(connection: Connection, which: str) -> Row[Any]:
    """The key with this id or prefix.

    Raises:
        UnknownKeyError: there is none, or two begin alike.
    """
    matching = or_(api_keys.c.key_id == which, api_keys.c.prefix == which)
    rows = list(connection.execute(select(api_keys).where(matching)))
    if len(rows) != 1:
        raise UnknownKeyError(which, "several keys begin with" if rows else "there is no key")
    return rows[0]


def state_of(row: Row[Any], now: datetime) -> str:
    """valid, expired or revoked."""
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at is not None and row.expires_at <= now else "valid"


def prefix_of(key: str) -> str:
    """What a key is recognised by."""
    return key[:PREFIX_LENGTH]


def digest_of(key: bytes) -> bytes:
    """SHA-256 of a key, 32 bytes."""
    return hashlib.sha256(key).digest()


def _insert(
    connection: Connection, key: str, new: NewKey, predecessor: str | None, now: datetime
) -> None:
    row = {
        "key_id": str(uuid4()),
        "name": new.name,
        "prefix": prefix_of(key),
        "digest": digest_of(key.encode()).hex(),
        "scopes": json.dumps([scope for scope in ALL_SCOPES if scope in new.scopes]),
        "created_at": now,
        "expires_at": new.expires_at,
        "rotated_from": predecessor,
        "rate": new.rate,
        "quota": new.quota,
    }
    connection.execute(insert(api_keys).values(row))


def _revoke(connection: Connection, row: Row[Any], actor: str, now: datetime) -> None:
    if row.revoked_at is None:
        _change(connection, row, revoked_at=now)
        _record(connection, "key revoked", row.prefix, actor, now, {"name": row.name})


def _change(connection: Connection, row: Row[Any], **values: datetime) -> None:
    connection.execute(update(api_keys).where(api_keys.c.key_id == row.key_id).values(**values))


def _record(
    connection: Connection, action: str, prefix: str, actor: str, now: datetime,
    detail: dict[str, Any],
) -> None:  # fmt: skip
    record(connection, actor=actor, action=action, subject=prefix, detail=detail, now=now)
