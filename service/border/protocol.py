"""HTTP over a socket, with the limits that uvicorn's protocol lacks: time, size and number.

Time is kept by one look a second at all connections, so requests pay nothing for it. Uses
internals of uvicorn, whose version requirements/ pins: cycle, scope, connections.
"""

import asyncio
import logging
import resource
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from contracts.settings import Settings
from service.border.bodies import TOO_SLOW
from service.border.headers import SECURITY

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
HEAD_SECONDS = 10.0  # to send the request line and all headers
LINGER_SECONDS = 3.0  # for the rest of a body that was refused, so that the refusal is read
STUCK_SECONDS = 30.0  # for a client that does not read its answer
MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 100
MAX_TARGET_BYTES = 8192
MAX_CONNECTIONS = 10_000
_SPARE_FILES = 100  # for databases, bundles and logs
_RETRY = (b"retry-after", b"1")


class HeadRefusedError(ValueError):
    """A request's head is beyond a limit; httptools hands it on as an HttpParserError."""


class Patience(NamedTuple):
    """How many seconds each state of a connection may last."""

    head: float = HEAD_SECONDS
    body: float = 10.0
    linger: float = LINGER_SECONDS
    stuck: float = STUCK_SECONDS


class Guard:
    """What all connections of one server share: their limits and the look at them."""

    def __init__(
        self, patience: Patience, max_connections: int, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self.patience = patience
        self._look_seconds = look_seconds
        self.max_connections = max_connections
        self._looking = False

    def watch(self, loop: asyncio.AbstractEventLoop, connections: "set[Any]") -> None:
        """Look at these connections from now on, until there are none."""
        if not self._looking:
            self._looking = True
            loop.call_later(self._look_seconds, self._look, loop, connections)

    def _look(self, loop: asyncio.AbstractEventLoop, connections: "set[Any]") -> None:
        self._looking = False
        now = loop.time()
        for connection in list(connections):
            connection.look(now)
        if connections:
            self.watch(loop, connections)


class GuardedProtocol(HttpToolsProtocol):
    """Answers 408, 414, 431 and 503 where uvicorn would wait or take everything in."""

    def __init__(self, *args: Any, guard: Guard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard
        self._chunk = 0  # bytes of the chunk that is being parsed
        self._head_bytes = 0  # of the head, in chunks that did not complete it
        self._refusal = 400
        self._seen: tuple[object, ...] = ()  # state at the last look, and of which request
        self._since = 0.0  # seconds of the loop's clock

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._guard.max_connections:
            self._give_up(503, "too many connections; try again in a second", _RETRY)
            return
        self._guard.watch(self.loop, self.connections)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():  # refused; what still comes is not looked at
            return
        self._chunk = len(data)
        super().data_received(data)
        if not self._head_complete():
            self._head_bytes += self._chunk
            if self._head_bytes > 2 * MAX_HEAD_BYTES:
                self._give_up(431, "the headers are too large")

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if len(self.url) > MAX_TARGET_BYTES:
            self._refusal = 414
            raise HeadRefusedError
        if len(self.headers) > MAX_HEADERS or self._head_too_large():
            self._refusal = 431
            raise HeadRefusedError
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls for a head that the parser, or on_headers_complete, refuses."""
        told = {414: "the path is too long", 431: "the headers are too many or too large"}
        self._refuse(self._refusal, told.get(self._refusal, "this is not an HTTP request"), [])

    def look(self, now: float) -> None:
        """Lose patience with what has been in one state for too long."""
        name, limit, act = self._state()
        # The request itself, not its id(): that may be the next one's too.
        seen = (name, self.cycle, self.transport.get_write_buffer_size())
        if seen != self._seen:
            self._seen, self._since = seen, now
        elif limit is not None and now - self._since > limit:
            act()

    def _state(self) -> tuple[str, float | None, Callable[[], None]]:
        """The name of the state, how long it may last without progress, and what happens then."""
        patience, cycle, abort = self._guard.patience, self.cycle, self.transport.abort
        if self.flow.write_paused or self.transport.is_closing():
            return "stuck", patience.stuck, abort
        if self.timeout_keep_alive_task is not None:
            return "idle", None, abort  # uvicorn's own timer closes it
        if not self._head_complete():
            late = partial(self._give_up, 408, "the headers came too slowly")
            return "head", patience.head, late
        if cycle.response_complete:
            return "refused body", patience.linger, abort
        if cycle.more_body and not self.flow.read_paused:
            return "body", patience.body, self._lose_patience
        return "answering", None, abort

    def _lose_patience(self) -> None:
        """Have the front answer 408; if it does not read the body, there is nobody to tell."""
        if TOO_SLOW in self.cycle.scope or self.cycle.response_started:
            self.transport.abort()
            return
        cast("dict[str, Any]", self.cycle.scope)[TOO_SLOW] = True
        self.cycle.message_event.set()

    def _head_complete(self) -> bool:
        return self.scope is not None and "method" in self.scope

    def _head_too_large(self) -> bool:
        if self._head_bytes + self._chunk <= MAX_HEAD_BYTES:
            return False
        size = sum(len(name) + len(value) + 4 for name, value in self.headers)
        return size + len(self.url) > MAX_HEAD_BYTES

    def _give_up(self, status: int, detail: str, *extra: tuple[bytes, bytes]) -> None:
        log.warning("a connection was refused: %d, %s", status, detail)
        self._refuse(status, detail, extra)

    def _refuse(self, status: int, detail: str, extra: Iterable[tuple[bytes, bytes]]) -> None:
        """Answer without the app, and close."""
        body = msgspec.json.encode({"detail": detail})
        pairs = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            *SECURITY,
            *extra,
        ]
        head = b"".join(b"%b: %b\r\n" % pair for pair in pairs)
        self.transport.write(STATUS_LINE[status] + head + b"\r\n" + body)
        self.transport.close()


def make_protocol(settings: Settings) -> Any:
    """What uvicorn's `http` option takes: a maker of one protocol for each connection."""
    patience = Patience(body=settings.body_seconds)
    return partial(GuardedProtocol, guard=Guard(patience, _max_connections()))


def _max_connections() -> int:
    """As many as there may be open files, up to MAX_CONNECTIONS; raises the soft limit to that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + _SPARE_FILES
    most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most - _SPARE_FILES
