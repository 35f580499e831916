"""Browsers that have signed in: a token in a cookie that no script reads, in place of the key.

A session has its key's rights and ends with it, or after LIFE. Each change that a browser sends
with the cookie has to bring a second value, which only our own pages know: what a stranger's page
sends lacks it (docs/adr/0038).
"""

import asyncio
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, Engine, delete, insert, select

from contracts.audit import record
from contracts.tables import sessions
from service.access.caller import Caller
from service.access.key_ring import Entry, KeyRing
from service.access.key_store import digest_of

COOKIE = "perennial_session"
CSRF_HEADER = b"x-csrf-token"
LIFE = timedelta(hours=12)
TRUSTED_SECONDS = 5.0  # that a session which was ended elsewhere is still known here
MAX_KNOWN = 10_000
_TOKEN = re.compile(r"session_[A-Za-z0-9_-]{43}")
_IN_HEADER = re.compile(rb"(?:^|;\s*)perennial_session=(session_[A-Za-z0-9_-]{43})(?:;|\s*$)")


class SignInError(PermissionError):
    """What was typed is no valid key."""

    def __init__(self) -> None:
        super().__init__("this is not a valid key; ask whoever runs the service for one")


class _Known(NamedTuple):
    key_id: str
    expires: float  # seconds since 1970
    until: float  # when it is looked up again


def cookie_token(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The token of the session that a request says it belongs to."""
    found = _IN_HEADER.search(headers.get(b"cookie", b""))
    return found[1] if found else None


def csrf_of(token: bytes) -> str:
    """What a page of this session sends with each change."""
    return hmac.digest(token, b"csrf", "sha256").hex()


def has_csrf(headers: Mapping[bytes, bytes], token: bytes) -> bool:
    return hmac.compare_digest(headers.get(CSRF_HEADER, b""), csrf_of(token).encode())


class Sessions:
    """Opens, knows and ends sessions.

    Args:
        run: the ledger's; runs a writing task in a transaction of its own.
        seconds: since 1970.
    """

    def __init__(
        self,
        engine: Engine,
        keys: KeyRing,
        run: Callable[[Callable[[Connection], None]], Awaitable[None]],
        clock: Callable[[], datetime],
    ) -> None:
        self._engine = engine
        self._keys = keys
        self._run = run
        self._clock = clock
        self._known: dict[bytes, _Known] = {}

    def known(self, token: bytes) -> Entry | None:
        """The entry of a session that was looked up a moment ago, if its key is still valid."""
        digest, now = digest_of(token), self._clock().timestamp()
        found = self._known.get(digest)
        return None if found is None or found.until <= now else self._entry(digest, found)

    async def find(self, token: bytes) -> Entry | None:
        """The entry of a session, looked up in the database; None = it has ended, or never was."""
        digest = digest_of(token)
        row = await asyncio.to_thread(self._read, digest)
        if row is None:
            self._known.pop(digest, None)
            return None
        self._remember(digest, row)
        return self._entry(digest, row)

    async def open(self, key: str) -> tuple[str, Caller]:
        """A new session's token, and who has signed in.

        Raises:
            SignInError: the key lets nobody in.
        """
        entry = self._keys.entries.get(digest_of(key.strip().encode()))
        now = self._clock()
        if entry is None or entry.expires <= now.timestamp():
            raise SignInError
        token = f"session_{secrets.token_urlsafe(32)}"
        until = now + LIFE
        row = {"digest": digest_of(token.encode()).hex(), "key_id": entry.caller.key_id,
               "created_at": now, "expires_at": until}  # fmt: skip

        def task(connection: Connection) -> None:
            connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
            connection.execute(insert(sessions).values(row))
            actor, detail = entry.caller.actor, {"until": until.isoformat()}
            record(
                connection, actor=actor, action="signed in", subject=actor, detail=detail, now=now
            )

        await self._run(task)
        return token, entry.caller

    async def close(self, token: bytes, caller: Caller) -> None:
        """End a session, everywhere within TRUSTED_SECONDS."""
        digest, now = digest_of(token), self._clock()
        self._known.pop(digest, None)

        def task(connection: Connection) -> None:
            connection.execute(delete(sessions).where(sessions.c.digest == digest.hex()))
            record(connection, actor=caller.actor, action="signed out", subject=caller.actor,
                   detail={}, now=now)  # fmt: skip

        await self._run(task)

    def _read(self, digest: bytes) -> _Known | None:
        now = self._clock()
        query = select(sessions).where(
            sessions.c.digest == digest.hex(), sessions.c.expires_at > now
        )
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        expires = row.expires_at.timestamp()
        return _Known(row.key_id, expires, min(expires, now.timestamp() + TRUSTED_SECONDS))

    def _remember(self, digest: bytes, found: _Known) -> None:
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()  # each is looked up again when it comes
        self._known[digest] = found

    def _entry(self, digest: bytes, found: _Known) -> Entry | None:
        key = self._keys.by_id.get(found.key_id)
        if key is None:
            return None
        return Entry(digest, key.caller, min(found.expires, key.expires))
