"""Who may do what: the scope that each request needs, and whether its caller has it.

docs/access.md tells operators the same; docs/adr/0018 says why.
"""

import re
import time
from collections.abc import Callable, Mapping
from hmac import compare_digest
from typing import TYPE_CHECKING

from starlette.types import Scope as Request

from contracts.settings import Settings
from service.access.caller import NOBODY, Caller, Scope
from service.access.credentials import credential
from service.access.hosts import ANY_HOST, check_host, check_shape, host_pattern, is_loopback
from service.access.key_ring import Entry, KeyRing
from service.access.key_store import digest_of
from service.access.oidc import BadTokenError, looks_like_token
from service.access.refusals import Refusals, RefusedError

if TYPE_CHECKING:
    from service.access.tokens import Tokens

OPEN_PATHS = frozenset({"/health", "/health/live", "/health/ready", "/ping", "/v2/health/live",
                        "/v2/health/ready"})  # fmt: skip
_PREDICTING = re.compile(
    r"/predict|/invocations|/vertex/predict|/v2/models/[^/]+(/versions/[^/]+)?/infer"
)
_READING = frozenset({"GET", "HEAD"})
_SENDING: dict[str, Scope] = {"/predict": "predict", "/outcomes": "outcomes"}
_OPEN_SCOPES: frozenset[Scope] = frozenset({"predict", "outcomes", "read"})
ANYBODY = Caller("", "anybody", _OPEN_SCOPES)  # while access is open
# Vertex AI or SageMaker has checked its caller, and lets none of our other paths be reached.
PLATFORM = Caller("", "platform", frozenset({"predict"}), actor="platform")
_WITHOUT_KEY = {"open": ANYBODY, "platform": PLATFORM}

Headers = Mapping[bytes, bytes]


class AccessSettingsError(ValueError):
    """The settings would let strangers in, or nobody."""


class UnauthenticatedError(RefusedError):
    """No valid key came with the request. Unknown, expired and revoked ones are told alike."""

    reason = "no valid key"

    def __init__(self, challenge: str) -> None:
        super().__init__("send a valid key: `Authorization: Bearer KEY` or `X-API-Key: KEY`")
        self.challenge = challenge


class ForbiddenError(RefusedError):
    """The key is valid and lacks the scope."""

    def __init__(self, needed: Scope, actor: str) -> None:
        super().__init__(f"this needs a key with the scope {needed}")
        self.reason = f"lacks the scope {needed}"
        self.actor = actor


def required_scope(method: str, path: str) -> Scope | None:
    """What a request needs; None = nothing. What is not listed needs read, or to change, admin."""
    if path in OPEN_PATHS:  # any method: the router answers 405
        return None
    if method in _READING:
        return "read"
    if path in _SENDING:
        return _SENDING[path]
    return "predict" if method == "POST" and _PREDICTING.fullmatch(path) else "admin"


def check_settings(settings: Settings, valid_keys: int) -> str | None:
    """Whether a service may start like this; a warning where it may and nobody could use it.

    Raises:
        AccessSettingsError: it would be open to strangers, or closed to everybody.
    """
    _refuse_open_to_strangers(settings)
    if settings.access != "closed" or valid_keys or settings.oidc_issuer:
        return None
    remedy = "make one: python -m service.keys create --name me --scopes predict,outcomes,read"
    if not is_loopback(settings.host):
        raise AccessSettingsError(f"no valid key exists, so nobody could use it; {remedy}")
    return f"no valid key exists; every request will be refused; {remedy}"


def _refuse_open_to_strangers(settings: Settings) -> None:
    if settings.access == "open" and not is_loopback(settings.host):
        raise AccessSettingsError(
            f"PERENNIAL_ACCESS=open needs PERENNIAL_HOST=127.0.0.1, not {settings.host}"
        )


class Access:
    """Lets requests in or refuses them, and has refusals written down.

    Args:
        tokens: of an identity provider; None = only keys count.
        seconds: since 1970.

    Raises:
        AccessSettingsError: it would be open to strangers.
    """

    def __init__(
        self,
        settings: Settings,
        keys: KeyRing,
        refusals: Refusals,
        tokens: "Tokens | None" = None,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        _refuse_open_to_strangers(settings)
        self._stranger = _WITHOUT_KEY.get(settings.access, NOBODY)
        self._hosts = host_pattern(settings)
        self._keys = keys
        self._refusals = refusals
        self._tokens = tokens
        self._seconds = seconds

    @property
    def keys_age_seconds(self) -> float:
        """Since the keys were last read."""
        return self._keys.age_seconds

    @property
    def problem(self) -> str | None:
        """What /health/ready should tell; None = all is well."""
        return self._keys.problem

    def start(self) -> None:
        """Read the keys; blocks."""
        self._keys.start()

    async def stop(self) -> None:
        """Write the last refusals down; before the ledger stops."""
        self._keys.stop()
        if self._tokens is not None:
            self._tokens.stop()
        await self._refusals.stop()

    def admit(self, request: Request, headers: Headers) -> Caller | None:
        """Who asks, if they may; None = a token that `admit_token` has to verify first.

        Args:
            request: the ASGI scope.
            headers: its headers as a dict; the last of several counts.

        Raises:
            BadHostError, BadHeaderError, OddPathError, UnauthenticatedError, ForbiddenError:
                and the audit log will have it.
        """
        try:
            return self._admit(request, headers)
        except RefusedError as error:
            self._refusals.note(error, request["method"], request["path"])
            raise

    def admit_known(self, request: Request, headers: Headers) -> Caller | None:
        """As `admit`; None = whoever asks has to be told something, or verified: ask `admit`."""
        try:
            return self._admit(request, headers)
        except RefusedError:
            return None

    async def admit_token(self, request: Request, headers: Headers) -> Caller:
        """As `admit`, for a token that was not seen before.

        Raises:
            IssuerUnavailableError: the identity provider cannot be reached.
            UnauthenticatedError, ForbiddenError: as for keys.
        """
        method, path = request["method"], request["path"]
        try:
            given = credential(headers, method in _READING)
            if given is None or self._tokens is None:
                raise UnauthenticatedError(_challenge(method, headers))
            try:
                entry = await self._tokens.verify(given)
            except BadTokenError:
                raise UnauthenticatedError(_challenge(method, headers)) from None
            return self._authorize(entry, required_scope(method, path))
        except RefusedError as error:
            self._refusals.note(error, method, path)
            raise

    def _admit(self, request: Request, headers: Headers) -> Caller | None:
        method, path = request["method"], request["path"]
        check_shape(request["raw_path"], request["headers"], headers)
        needed = required_scope(method, path)
        if needed is None:
            # Probes ask by address, whatever the allowed names are.
            check_host(headers, ANY_HOST)
            return NOBODY
        check_host(headers, self._hosts)
        given = credential(headers, method in _READING)
        if given is None and needed in self._stranger.scopes:
            return self._stranger
        entry = self._find(given or b"")
        if entry is None and self._tokens is not None and looks_like_token(given or b""):
            return None
        if entry is None or entry.expires <= self._seconds():
            raise UnauthenticatedError(_challenge(method, headers))
        return self._authorize(entry, needed)

    def _find(self, given: bytes) -> Entry | None:
        digest = digest_of(given)
        entry = self._keys.entries.get(digest)
        if entry is None and self._tokens is not None:
            entry = self._tokens.known(digest)
        return entry if entry is not None and compare_digest(entry.digest, digest) else None

    def _authorize(self, entry: Entry, needed: Scope | None) -> Caller:
        caller = entry.caller
        if needed in caller.scopes or needed in self._stranger.scopes:
            return caller
        raise ForbiddenError(needed or "read", caller.actor)


def _challenge(method: str, headers: Headers) -> str:
    """A browser that asks for a page is asked for a password; everything else for a key."""
    if method in _READING and b"text/html" in headers.get(b"accept", b""):
        return 'Basic realm="Perennial: any name, the key as password", charset="UTF-8"'
    return "Bearer"
