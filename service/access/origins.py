"""Requests of web pages: those of other sites are refused, but for the origins in the settings."""

from collections.abc import Callable, Mapping
from functools import partial

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Scope, Send

from contracts.settings import Settings

_SENT = ("authorization", "content-type", "idempotency-key", "x-api-key", "x-request-id")
_READ = ("retry-after", "x-request-id", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_PREFLIGHT_SECONDS = 600


class ForeignOriginError(PermissionError):
    """A page of another site wants to change something here."""

    def __init__(self) -> None:
        super().__init__("pages of this origin may not call (PERENNIAL_CORS_ORIGINS)")


class Origins:
    """Which web pages may call. Without a listed origin nothing but our own pages.

    Credentials that browsers add by themselves are never asked for.
    """

    def __init__(self, settings: Settings) -> None:
        listed = [one.strip() for one in settings.cors_origins.split(",") if one.strip()]
        self._cors = None
        if listed:
            self._cors = CORSMiddleware(
                _nothing,
                allow_origins=listed,
                allow_methods=("GET", "POST"),
                allow_headers=_SENT,
                expose_headers=_READ,
                max_age=_PREFLIGHT_SECONDS,
            )

    def preflight(self, scope: Scope, headers: Mapping[bytes, bytes]) -> ASGIApp | None:
        """The answer to a browser that asks first; None where it does not ask, or nobody may."""
        asks = scope["method"] == "OPTIONS" and b"access-control-request-method" in headers
        if self._cors is None or not asks:
            return None
        return self._cors.preflight_response(request_headers=Headers(scope=scope))

    def check(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Refuse what a page of another site sends without having asked, as forms may.

        Raises:
            ForeignOriginError: see above.
        """
        origin = headers[b"origin"].decode("latin-1")
        if scope["method"] in _SAFE or self._listed(origin):
            return
        # Behind a proxy the scheme is not ours to know.
        if origin.partition("://")[2].encode("latin-1") != headers.get(b"host"):
            raise ForeignOriginError

    def telling(self, scope: Scope) -> Callable[[Send], Send]:
        """What makes a `send` tell the browser whether the page may read the answer."""
        cors = self._cors
        if cors is None:
            return lambda send: send
        asked = Headers(scope=scope)
        return lambda send: partial(cors.send, send=send, request_headers=asked)

    def _listed(self, origin: str) -> bool:
        return self._cors is not None and self._cors.is_allowed_origin(origin)


async def _nothing(scope: object, receive: object, send: object) -> None:
    """The middleware wants an app; only its answers to preflights and its headers are used."""
