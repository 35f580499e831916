"""What every answer carries: headers that keep browsers in their place, and the request's id."""

import re
from collections.abc import Callable
from itertools import count

Pairs = list[tuple[bytes, bytes]]

# Strict-Transport-Security is left to the proxy that has the certificate: docs/operations.md.
SECURITY: Pairs = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # none: browsers send our own forms as a stranger's
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


def request_ids(prefix: str) -> Callable[[bytes | None], bytes]:
    """A function that gives each request its id: the caller's own if it is plain, or a new one.

    Args:
        prefix: tells this process from all others.
    """
    numbers = count(1)
    template = prefix.encode() + b"-%x"

    def make(given: bytes | None) -> bytes:
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given
        return template % next(numbers)

    return make
