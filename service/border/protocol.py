"""HTTP over a socket, with the limits that uvicorn's protocol lacks: time, size and number.

Time is kept by one look a second at all connections, so requests pay nothing for it. Uses
internals of uvicorn, whose version requirements/ pins: cycle, scope, connections.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, cast

import msgspec
from uvicorn._types import HTTPScope
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from contracts.settings import Settings
from service.border.bodies import TOO_SLOW
from service.border.express import Express, TakesExpress
from service.border.guard import Guard, Patience, max_connections
from service.border.headers import SECURITY

log = logging.getLogger(__name__)

MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 100
MAX_TARGET_BYTES = 8192
_RETRY = (b"retry-after", b"1")


class HeadRefusedError(ValueError):
    """A request's head is beyond a limit; httptools hands it on as an HttpParserError."""


class GuardedProtocol(HttpToolsProtocol):
    """Answers 408, 414, 431 and 503 where uvicorn would wait or take everything in."""

    def __init__(self, *args: Any, guard: Guard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard
        self._chunk = 0  # bytes of the chunk that is being parsed
        self._head_bytes = 0  # of the head, in chunks that did not complete it
        self._refusal = 400
        # None where something stands before the front: it would not see what the front takes.
        self._front = cast("TakesExpress", self.app) if hasattr(self.app, "may_take") else None
        self._held: Express | None = None  # its body is still coming
        self._idle = False
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
        self._idle = False
        super().data_received(data)
        if not self._head_complete():
            self._head_bytes += self._chunk
            if self._head_bytes > 2 * MAX_HEAD_BYTES:
                self._give_up(431, "the headers are too large")

    def on_message_begin(self) -> None:
        self._head_bytes = 0
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self.scope = None  # type: ignore[assignment]  # as before the first request

    def on_headers_complete(self) -> None:
        if len(self.url) > MAX_TARGET_BYTES:
            self._refusal = 414
            raise HeadRefusedError
        if len(self.headers) > MAX_HEADERS or self._head_too_large():
            self._refusal = 431
            raise HeadRefusedError
        self._held = self._offer()
        if self._held is None:
            self._begin()
        self.headers = []  # what still comes are trailers, which nobody reads

    def on_body(self, body: bytes) -> None:
        if self._held is None:
            super().on_body(body)
        else:
            self._held.body += body

    def on_message_complete(self) -> None:
        express, front = self._held, self._front
        if express is None or front is None:
            super().on_message_complete()
        elif front.take(express):
            self._held, express.body = None, b""
            self.cycle = cast("RequestResponseCycle", express)
            self.scope = cast("HTTPScope", express.scope)
        else:
            self._release(express)
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's, but that the look at all connections closes those that stay idle."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._idle = True

    def shutdown(self) -> None:
        if self._held is not None:
            self._release(self._held)
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._held is not None:
            self._release(self._held)  # the log will tell of it
        super().connection_lost(exc)

    def _offer(self) -> Express | None:
        """The request whose head has come, if the front may take it and nothing is before it."""
        front, parser = self._front, self.parser
        if front is None or self.url != b"/predict" or parser.get_method() != b"POST":
            return None
        free = self.cycle is None or self.cycle.response_complete
        if not free or self.flow.write_paused or parser.should_upgrade():
            return None
        keep_alive = parser.should_keep_alive() and parser.get_http_version() != "1.0"
        express = Express(self, self.headers, keep_alive)
        return express if front.may_take(express) else None

    def _begin(self) -> None:
        """Go the usual way, by a task and ASGI."""
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers += headers
        super().on_headers_complete()

    def _release(self, express: Express) -> None:
        """Let what was held go the usual way."""
        self._held = None
        self.headers = express.scope["headers"]
        self._begin()
        super().on_body(express.body)

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
        if self._idle:
            return "idle", patience.idle, self.transport.close
        if self._held is not None:
            return "body", patience.body, self._lose_patience
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
        if self._held is not None:
            self._release(self._held)
        if TOO_SLOW in self.cycle.scope or self.cycle.response_started:
            self.transport.abort()
            return
        cast("dict[str, Any]", self.cycle.scope)[TOO_SLOW] = True
        self.cycle.message_event.set()

    def _head_complete(self) -> bool:
        if self._held is not None:
            return True
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
    return partial(GuardedProtocol, guard=Guard(patience, max_connections()))
