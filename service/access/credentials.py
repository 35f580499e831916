"""What a request shows to say who asks: a bearer token, an API key, or a browser's password."""

import base64
import binascii
from collections.abc import Mapping

MAX_BYTES = 8192  # tokens of identity providers are long; what is longer is not hashed


def credential(headers: Mapping[bytes, bytes], reading: bool) -> bytes | None:
    """The key or token; None = none was sent, empty = in a form that does not count.

    X-API-Key comes before Authorization, for a browser adds the latter by itself. Basic, with the
    key as its password, counts only where `reading`: a browser would send it with a form that a
    stranger's page has filled in.
    """
    given = headers.get(b"x-api-key")
    if given is None:
        header = headers.get(b"authorization")
        if header is None:
            return None
        scheme, _, given = header.partition(b" ")
        scheme = scheme.lower()
        if scheme == b"basic" and reading:
            given = _password(given)
        elif scheme != b"bearer":
            return b""
    return given.strip() if len(given) <= MAX_BYTES else b""


def _password(encoded: bytes) -> bytes:
    try:
        return base64.b64decode(encoded.strip(), validate=True).partition(b":")[2]
    except binascii.Error:
        return b""
