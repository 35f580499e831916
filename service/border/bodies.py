"""Request bodies: what is refused before a byte is parsed, and how the rest is read.

The time that a body may take is kept by service/border/protocol.py, which sees the socket.
"""

from collections.abc import Mapping
from typing import Any

from starlette.types import Message, Receive, Scope

from service.answer.decoder import InvalidRequestError, Problem

# What a page of another site can send without asking first; no client of ours sends it.
# What a page can send from elsewhere without asking; curl's own default is let through below.
_FORM_TYPES = frozenset({b"multipart/form-data", b"text/plain"})
_JSON = b"application/json"
# `curl -d` calls every body a form. A page that sends one says where it is from (origins.py).
_JSON_TOO = frozenset({_JSON, b"application/x-www-form-urlencoded"})
_JSON_PATHS = frozenset({"/predict", "/outcomes"})
# Admin acts name a reason and a sign-in a key, no rows.
_ADMIN_PATHS = ("/models/", "/actions/", "/sign-in")
_ADMIN_BYTES = 65_536
# Set by service/border/protocol.py once a body has taken too long.
TOO_SLOW = "perennial.too_slow"
# Text may hold brackets too, so this is far from what max_rows rows need.
_CONTAINERS_PER_ROW = 10
_SPARE_CONTAINERS = 1000
_BYTES_PER_CONTAINER = 3  # "[],"


class ClientGoneError(ConnectionError):
    """The client hung up before its request was complete."""


class TooLargeError(ValueError):
    """A request body is beyond the limit."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the body is larger than {limit} bytes (PERENNIAL_MAX_BODY_BYTES, or {_ADMIN_BYTES} "
            "for admin acts)"
        )


class TooSlowError(TimeoutError):
    """A request body did not come in time."""

    def __init__(self) -> None:
        super().__init__("the body came too slowly (PERENNIAL_BODY_SECONDS)")


class WrongBodyTypeError(ValueError):
    """A request body is of a kind that is not read here."""


def check_kind(path: str, headers: Mapping[bytes, bytes]) -> None:
    """Refuse bodies that are packed, or not JSON where only JSON is read.

    Raises:
        WrongBodyTypeError: it says what to send.
    """
    if headers.get(b"content-encoding", b"identity").strip().lower() != b"identity":
        raise WrongBodyTypeError("Content-Encoding is not supported; send the body as it is")
    given = headers.get(b"content-type", _JSON)
    if given == _JSON:
        return
    kind = given.partition(b";")[0].strip().lower()
    if kind in _FORM_TYPES or (path in _JSON_PATHS and kind not in _JSON_TOO):
        raise WrongBodyTypeError("send JSON, with Content-Type: application/json")


def body_limit(path: str, limit: int) -> int:
    """How many bytes a body may have: `limit`, or less where no rows are sent."""
    return min(limit, _ADMIN_BYTES) if path.startswith(_ADMIN_PATHS) else limit


def check_length(headers: Mapping[bytes, bytes], limit: int) -> None:
    """Refuse a body that says that it is too long, before a byte of it is read.

    Raises:
        TooLargeError: its Content-Length is beyond `limit`, in bytes.
    """
    told = headers.get(b"content-length", b"0")
    if len(told) >= len(str(limit)) and not (told.isdigit() and int(told[:20]) <= limit):
        raise TooLargeError(limit)


def check_containers(body: bytes, headers: Mapping[bytes, bytes], max_rows: int) -> None:
    """Refuse JSON of far more arrays and objects than `max_rows` rows need: each costs memory.

    Raises:
        InvalidRequestError: see above.
    """
    allowed = _CONTAINERS_PER_ROW * max_rows + _SPARE_CONTAINERS
    if len(body) < _BYTES_PER_CONTAINER * allowed or not _is_json(headers):
        return
    if body.count(b"[") + body.count(b"{") > allowed:
        told = f"at most {max_rows} rows, and {allowed} [ and {{"
        raise InvalidRequestError([Problem(None, None, "the body has too many rows", told)])


def _is_json(headers: Mapping[bytes, bytes]) -> bool:
    return b"json" in headers.get(b"content-type", _JSON).lower()


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body of a request, of at most `limit` bytes.

    Raises:
        TooLargeError: as soon as it is known.
        TooSlowError: the protocol has lost patience.
        ClientGoneError: it never became complete.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.request" and not message.get("more_body", False):
        if len(body) > limit:
            raise TooLargeError(limit)
        return body
    whole = bytearray()
    while True:
        _take(message, scope, whole, limit)
        if not message.get("more_body", False):
            return bytes(whole)
        message = await receive()


def _take(message: Message, scope: Scope, whole: bytearray, limit: int) -> None:
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    if TOO_SLOW in scope:
        raise TooSlowError
    whole += message.get("body", b"")
    if len(whole) > limit:
        raise TooLargeError(limit)


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body in one piece, then what the original gives."""
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return messages.pop() if messages else await receive()

    return receive_again
