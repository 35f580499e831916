"""Who may do what: the scope that each request needs, and whether its caller has it.

docs/access.md tells operators the same; docs/adr/0018 says why.
"""

import re
import time
from collections.abc import Callable, Mapping
from hmac import compare_digest
from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.types import Scope as Request

from contracts.settings import Settings
from service.access.caller import NOBODY, Caller, Scope
from service.access.credentials import credential
from service.access.hosts import ANY_HOST, check_host, check_shape, host_pattern, is_loopback
from service.access.key_ring import Entry, KeyRing
from service.access.key_store import digest_of
from service.access.oidc import BadTokenError, looks_like_token
from service.access.refusals import Refusals, RefusedError
from service.access.sessions import Sessions, cookie_token, has_csrf

if TYPE_CHECKING:
    from service.access.tokens import Tokens

OPEN_PATHS = frozenset({"/health", "/health/live", "/health/ready", "/ping", "/v2/health/live",
                        "/v2/health/ready", "/sign-in"})  # fmt: skip
ASSETS = "/assets/"  # what pages look like, the same for everybody
_PREDICTING = re.compile(
    r"/predict|/invocations|/vertex/predict|/v2/models/[^/]+(/versions/[^/]+)?/infer"
)
_READING = frozenset({"GET", "HEAD"})
_SENDING: dict[str, Scope] = {"/predict": "predict", "/outcomes": "outcomes", "/sign-out": "read",
                             "/try": "predict", "/try/table": "predict",
                             "/outcomes/enter": "outcomes",
                             "/outcomes/table": "outcomes"}  # fmt: skip
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

    def __init__(self, sign_in: str | None = None) -> None:
        super().__init__("send a valid key: `Authorization: Bearer KEY` or `X-API-Key: KEY`")
        self.sign_in = sign_in  # where a person can; None = a program asks


class ForgedError(RefusedError):
    """A browser's session changes something, and none of our pages has said so."""

    reason = "no token of our pages"

    def __init__(self, actor: str) -> None:
        super().__init__("this page is too old, or is not ours: load it again")
        self.actor = actor


class ForbiddenError(RefusedError):
    """The key is valid and lacks the scope."""

    def __init__(self, needed: Scope, actor: str) -> None:
        super().__init__(f"this needs a key with the scope {needed}")
        self.reason = f"lacks the scope {needed}"
        self.actor = actor


def required_scope(method: str, path: str) -> Scope | None:
    """What a request needs; None = nothing. What is not listed needs read, or to change, admin."""
    if path in OPEN_PATHS or path.startswith(ASSETS):  # any method: the router answers 405
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
        sessions: of browsers.
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
        sessions: Sessions,
        tokens: "Tokens | None" = None,
        seconds: Callable[[], float] = time.time,
    ) -> None:
        _refuse_open_to_strangers(settings)
        self._stranger = _WITHOUT_KEY.get(settings.access, NOBODY)
        self._hosts = host_pattern(settings)
        self._keys = keys
        self._refusals = refusals
        self.sessions = sessions
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
        """Who asks, if they may; None = a token or session that `admit_unknown` looks at first.

        Args:
            request: the ASGI scope.
            headers: its headers as a dict; the last of several counts.

        Raises:
            BadHostError, BadHeaderError, OddPathError, UnauthenticatedError, ForbiddenError,
            ForgedError: and the audit log will have it.
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

    async def admit_unknown(self, request: Request, headers: Headers) -> Caller:
        """As `admit`, for a token or session that was not seen before.

        Raises:
            IssuerUnavailableError: the identity provider cannot be reached.
            UnauthenticatedError, ForbiddenError: as for keys.
        """
        method, path = request["method"], request["path"]
        needed = required_scope(method, path)
        try:
            entry = await self._look_up(credential(headers, method in _READING), headers)
            if entry is None and needed in self._stranger.scopes:
                return self._stranger
            if entry is None:
                raise UnauthenticatedError(_sign_in(request, headers))
            return self._authorize(entry, needed)
        except RefusedError as error:
            self._refusals.note(error, method, path)
            raise

    async def _look_up(self, given: bytes | None, headers: Headers) -> Entry | None:
        if given is not None and self._tokens is not None:
            try:
                return await self._tokens.verify(given)
            except BadTokenError:
                return None
        session = cookie_token(headers)
        return None if session is None else await self.sessions.find(session)

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
        session = cookie_token(headers) if given is None else None
        if session is not None:
            return self._admit_session(session, request, headers)
        if given is None and needed in self._stranger.scopes:
            return self._stranger
        entry = self._find(given or b"")
        if entry is None and self._tokens is not None and looks_like_token(given or b""):
            return None
        if entry is None or entry.expires <= self._seconds():
            raise UnauthenticatedError(_sign_in(request, headers))
        return self._authorize(entry, needed)

    def _admit_session(self, session: bytes, request: Request, headers: Headers) -> Caller | None:
        entry = self.sessions.known(session)
        if request["method"] not in _READING and not has_csrf(headers, session):
            raise ForgedError(entry.caller.actor if entry else "nobody")
        if entry is None or entry.expires <= self._seconds():
            return None
        return self._authorize(entry, required_scope(request["method"], request["path"]))

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


def _sign_in(request: Request, headers: Headers) -> str | None:
    """Where a browser that asks for a page is sent to; None = it is a program."""
    if request["method"] not in _READING or b"text/html" not in headers.get(b"accept", b""):
        return None
    return f"/sign-in?next={quote(request['path'], safe='/')}"
