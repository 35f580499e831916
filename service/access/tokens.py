"""Verifies bearer tokens of an identity provider.

A token is verified once, off the event loop, and known by its digest until it expires. Signatures
are asymmetric only: whoever can verify must not be able to sign.
"""

import asyncio
import hashlib
import http.client
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import jwt
from jwt import PyJWKClient, PyJWTError
from jwt.exceptions import PyJWKClientConnectionError

from service.access.caller import Caller, Scope
from service.access.key_ring import Entry
from service.access.key_store import ALL_SCOPES, digest_of
from service.access.oidc import (
    BadTokenError,
    IssuerUnavailableError,
    require_https,
)

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
              "EdDSA"]  # fmt: skip
LEEWAY_SECONDS = 30  # between our clock and the provider's
FETCH_SECONDS = 5.0
MAX_KNOWN = 10_000
MAX_WAITING = 100


class Tokens:
    """Verifies tokens and remembers those that are good.

    Args:
        jwks_url: where the provider's keys are; "" = as its discovery document says.
        seconds: since 1970.
    """

    def __init__(
        self, issuer: str, audience: str, jwks_url: str, seconds: Callable[[], float] = time.time
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._jwks_url = jwks_url
        self._seconds = seconds
        self._client: PyJWKClient | None = None
        self._known: dict[bytes, Entry] = {}
        self._waiting = 0
        # One thread: strangers' tokens may keep it busy, and nothing else.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="oidc")

    def known(self, digest: bytes) -> Entry | None:
        """The entry of a token that was verified before."""
        return self._known.get(digest)

    async def verify(self, token: bytes) -> Entry:
        """Verify a token; its entry, which from now on `known` gives too.

        Raises:
            BadTokenError: signature, issuer, audience, time or form are wrong.
            IssuerUnavailableError: it cannot be told now.
        """
        if self._waiting >= MAX_WAITING:
            raise IssuerUnavailableError
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            entry = await loop.run_in_executor(self._pool, self._verify, token)
        finally:
            self._waiting -= 1
        self._remember(entry)
        return entry

    def stop(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _remember(self, entry: Entry) -> None:
        if len(self._known) >= MAX_KNOWN:
            now = self._seconds()
            self._known = {d: one for d, one in self._known.items() if one.expires > now}
        if len(self._known) >= MAX_KNOWN:
            self._known.pop(next(iter(self._known)))  # the oldest is verified again when it comes
        self._known[entry.digest] = entry

    def _verify(self, token: bytes) -> Entry:
        try:
            text = token.decode("ascii")
            key = self._keys().get_signing_key_from_jwt(text)
            claims = jwt.decode(
                text,
                key,
                algorithms=ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
            return _entry(token, claims)
        except PyJWKClientConnectionError:
            raise IssuerUnavailableError from None
        # The last two: lists in lists in lists, and a time that no clock will show.
        except (PyJWTError, ValueError, TypeError, RecursionError, OverflowError) as error:
            raise BadTokenError(type(error).__name__) from None

    def _keys(self) -> PyJWKClient:
        """The provider's keys; read again every five minutes, or for an unknown kid."""
        if self._client is None:
            url = self._jwks_url or _discover(self._issuer)
            self._client = PyJWKClient(url, timeout=FETCH_SECONDS, cooldown_duration=10)
        return self._client


def _discover(issuer: str) -> str:
    """Where the provider says that its keys are.

    Raises:
        IssuerUnavailableError: it does not say.
    """
    url = issuer.rstrip("/") + "/.well-known/openid-configuration"
    try:
        with urlopen(url, timeout=FETCH_SECONDS) as response:  # noqa: S310  # make_tokens checked
            found = str(json.load(response)["jwks_uri"])
        require_https(found)
    except (URLError, TimeoutError, http.client.HTTPException, ValueError, KeyError, TypeError):
        raise IssuerUnavailableError from None
    return found


def _entry(token: bytes, claims: dict[str, Any]) -> Entry:
    subject = str(claims["sub"])
    identity = hashlib.sha256(f"{claims['iss']}|{subject}".encode()).hexdigest()
    actor = ascii(f"oidc {subject[:100]}")[1:-1]
    caller = Caller(f"oidc-{identity[:31]}", actor, _scopes(claims), actor=actor)
    return Entry(digest_of(token), caller, float(claims["exp"]) + LEEWAY_SECONDS)


def _scopes(claims: dict[str, Any]) -> frozenset[Scope]:
    """Of the claims `scope` (text) and `scp` (text or list): ours, plain or as perennial:NAME."""
    given: list[str] = []
    for claim in ("scope", "scp"):
        value = claims.get(claim, [])
        given += value.split() if isinstance(value, str) else map(str, value)
    plain = {name.removeprefix("perennial:") for name in given}
    return frozenset(scope for scope in ALL_SCOPES if scope in plain)
