"""Whether an identity provider's bearer tokens (OAuth 2, OpenID Connect) count beside keys.

What verifies them is in tokens.py; its libraries are loaded only where a provider is named.
"""

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from contracts.settings import Settings
from service.access.hosts import is_loopback
from service.access.key_store import MARK

if TYPE_CHECKING:
    from service.access.tokens import Tokens


class BadTokenError(ValueError):
    """The token is not one that counts here."""


class IssuerUnavailableError(RuntimeError):
    """The identity provider's keys cannot be read, so no new token can be verified."""

    def __init__(self) -> None:
        super().__init__("the identity provider cannot be reached; try again")


class OidcSettingsError(ValueError):
    """The settings of the identity provider cannot be used."""


def looks_like_token(given: bytes) -> bool:
    """Whether it has the three parts of a JWT."""
    return given.count(b".") == 2 and not given.startswith(MARK.encode())


def make_tokens(settings: Settings) -> "Tokens | None":
    """Verifier of the settings' provider; None where none is named. Asks nobody yet.

    Raises:
        OidcSettingsError: no audience, or an address that is not https.
    """
    if not settings.oidc_issuer:
        return None
    if not settings.oidc_audience:
        raise OidcSettingsError(
            "PERENNIAL_OIDC_AUDIENCE is empty: tokens made for other services would count here"
        )
    for url in filter(None, (settings.oidc_issuer, settings.oidc_jwks_url)):
        require_https(url)
    from service.access.tokens import Tokens  # cryptography: a tenth of a start

    return Tokens(settings.oidc_issuer, settings.oidc_audience, settings.oidc_jwks_url)


def require_https(url: str) -> None:
    """Refuse an address that others on the way could answer for.

    Raises:
        OidcSettingsError: neither https nor of this machine.
    """
    try:
        parts = urlsplit(url)
        local = parts.scheme == "http" and is_loopback(parts.hostname or "")
    except ValueError:
        raise OidcSettingsError(f"{url} is not a URL") from None
    if parts.scheme != "https" and not local:
        raise OidcSettingsError(f"{url} must begin with https://, or name this machine")
