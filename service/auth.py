"""Who may promote and roll back over HTTP: whoever holds PERENNIAL_ADMIN_TOKEN."""

import hmac
from typing import Annotated

from fastapi import Depends, HTTPException, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.parts import PartsDep

_bearer = HTTPBearer(auto_error=False, description="PERENNIAL_ADMIN_TOKEN of the service")


def require_admin(
    parts: PartsDep,
    given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
) -> None:
    """Let the request pass or answer 401 or 403.

    Raises:
        HTTPException: 403 while no token is set, 401 for none or another one.
    """
    token = parts.settings.admin_token
    if token is None or not token.get_secret_value():
        raise HTTPException(403, "set PERENNIAL_ADMIN_TOKEN to promote and roll back over HTTP")
    expected = token.get_secret_value().encode()
    if given is None or not hmac.compare_digest(given.credentials.encode(), expected):
        challenge = {"WWW-Authenticate": "Bearer"}
        raise HTTPException(401, "the bearer token is missing or wrong", challenge)


AdminOnly = Depends(require_admin)
