"""A usual POST /predict on its way to its answer: no ASGI, no task, one write.

uvicorn's scope, task and header checks cost as much as all else that such a request needs
(docs/adr/0021). Uses internals of uvicorn, whose version requirements/ pins.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from service.access.caller import NOBODY
from service.border.headers import SECURITY, Pairs

PATH = "/predict"
# Decoding more than this would hold up every other request.
MAX_BYTES = 50_000
# These ask for something that only the usual way does.
UNUSUAL = frozenset({
    b"content-encoding", b"expect", b"idempotency-key", b"origin", b"transfer-encoding", b"upgrade",
})  # fmt: skip
_NOTHING: dict[str, str] = {}
_CONSTANT = b"content-type: application/json\r\n" + b"".join(
    b"%b: %b\r\n" % pair for pair in SECURITY
)
_HEAD = b"%b%b%bcontent-length: %d\r\nx-request-id: %b\r\n"


class _NobodyWaits:
    """In place of the event by which uvicorn wakes a task."""

    def set(self) -> None:
        pass


_NOBODY_WAITS = _NobodyWaits()


class Express:
    """A request and its answer; to uvicorn's protocol, its cycle. `body` grows until it is whole.

    `status` is 0 until it is answered; see exchange.Exchange.
    """

    __slots__ = (
        "_protocol", "body", "caller", "disconnected", "headers", "keep_alive", "request_id",
        "response_complete", "rows", "scope", "status", "version",
    )  # fmt: skip

    method = "POST"
    route = PATH
    more_body = False
    message_event = _NOBODY_WAITS

    def __init__(self, protocol: HttpToolsProtocol, pairs: Pairs, keep_alive: bool) -> None:
        self._protocol: HttpToolsProtocol | None = protocol
        self.scope: dict[str, Any] = {
            "method": "POST", "path": PATH, "raw_path": b"/predict", "headers": pairs,
        }  # fmt: skip
        self.headers: dict[bytes, bytes] = dict(pairs)
        self.body = b""
        self.keep_alive = keep_alive
        self.disconnected = self.response_complete = False
        self.request_id = b""
        self.caller = NOBODY
        self.status = 0
        self.rows: int | None = None
        self.version: str | None = None

    def answer(self, status: int, body: bytes, extra: Mapping[str, str] = _NOTHING) -> None:
        """Answer with JSON, and with `extra` headers."""
        self.status = status
        self.response_complete = True
        # They hold each other: without this only the garbage collector would free them.
        protocol, self._protocol = self._protocol, None
        # Closing is not always told by `disconnected`: the next in the pipeline may be the cycle.
        if protocol is None or self.disconnected or protocol.transport.is_closing():
            return
        default = _as_lines(*protocol.server_state.default_headers)
        head = _HEAD % (STATUS_LINE[status], default, _CONSTANT, len(body), self.request_id)
        for name, value in extra.items():
            head += b"%b: %b\r\n" % (name.lower().encode(), value.encode())
        if not self.keep_alive:
            head += b"connection: close\r\n"
        protocol.transport.write(head + b"\r\n" + body)
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()


@lru_cache(maxsize=4)  # the date changes once a second
def _as_lines(*pairs: tuple[bytes, bytes]) -> bytes:
    return b"".join([b"%b: %b\r\n" % pair for pair in pairs])


class TakesExpress(Protocol):
    """What the protocol asks of service/border/front.py."""

    def may_take(self, express: Express) -> bool:
        """Asked once the head is there."""

    def take(self, express: Express) -> bool:
        """Asked once the body is there; False = nothing was done."""
