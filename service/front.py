"""What every request passes: access, limits, counting; docs/adr/0005 and 0017.

POST /predict is answered here, in front of FastAPI: its routing would cost half of the throughput.
"""

import logging
import time

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.settings import Settings
from service.access import Access
from service.answering import Answering, Question
from service.caller import Caller
from service.errors import KNOWN, MethodNotAllowedError, TooLargeError, answer_error
from service.idempotency import read_key
from service.metrics import Metrics

log = logging.getLogger(__name__)

PATH = "/predict"
NO_HEADERS: dict[str, str] = {}


class ClientGoneError(ConnectionError):
    """The client hung up before its request was complete."""


class Front:
    """Admits every request; answers /predict itself, passes the rest on to `app`."""

    def __init__(
        self,
        app: ASGIApp,
        answering: Answering,
        access: Access,
        metrics: Metrics,
        settings: Settings,
    ) -> None:
        self._app = app
        self._answering = answering
        self._access = access
        self._metrics = metrics
        self._count = metrics.requests.count
        self._max_body_bytes = settings.max_body_bytes
        self._encode = msgspec.json.Encoder().encode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        route, status, extra, answer = None, 200, NO_HEADERS, None
        watched = Watched(send)
        try:
            headers = dict(scope["headers"])
            access = self._access
            caller = access.admit(scope, headers) or await access.admit_token(scope, headers)
            if scope["path"] == PATH:
                route = PATH
                answer = await self._predict(scope, receive, headers, caller)
            else:
                scope["caller"] = caller
                await self._app(scope, await self._limited(scope, receive), watched)
        except ClientGoneError:
            return
        except KNOWN as error:
            status, kind, extra, answer = answer_error(error)
            self._metrics.errors.labels(kind).inc()
        except Exception:  # the border: a fault of ours is told as 500, not a torn connection
            log.exception("a request failed")
            self._metrics.errors.labels("internal").inc()
            status, answer = 500, b'{"detail":"internal error; the log has it"}'
        if answer is not None and not watched.status:
            await send_json(send, status, answer, extra)
        else:
            status, route = watched.status, getattr(scope.get("route"), "path", None)
        method = scope["method"] if route else "other"
        self._count(route or "other", method, status, time.perf_counter() - started)

    async def _predict(
        self, scope: Scope, receive: Receive, headers: dict[bytes, bytes], caller: Caller
    ) -> bytes:
        if scope["method"] != "POST":
            raise MethodNotAllowedError("POST")
        key = read_key(headers.get(b"idempotency-key"))
        body = await read_body(scope, receive, self._max_body_bytes)
        return self._encode(await self._answering.answer(body, Question(caller, key)))

    async def _limited(self, scope: Scope, receive: Receive) -> Receive:
        """Read the body under the limit that /predict has, and hand it on in one piece."""
        if scope["method"] in ("GET", "HEAD"):
            return receive
        body: bytes | None = await read_body(scope, receive, self._max_body_bytes)

        async def replay() -> Message:
            nonlocal body
            if body is None:
                return await receive()
            message = {"type": "http.request", "body": body, "more_body": False}
            body = None
            return message

        return replay


class Watched:
    """A `send` that remembers the status; 0 = nothing was sent yet."""

    __slots__ = ("_send", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body of a request.

    Raises:
        TooLargeError: as soon as it is known.
        ClientGoneError: it never became complete.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    body: bytes = message.get("body", b"")
    if len(body) > limit:
        raise TooLargeError(limit)
    if not message.get("more_body", False):
        return body
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            raise TooLargeError(limit)
    return await _read_rest(body, receive, limit)


async def _read_rest(first: bytes, receive: Receive, limit: int) -> bytes:
    body = bytearray(first)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        body += message.get("body", b"")
        if len(body) > limit:
            raise TooLargeError(limit)
        if not message.get("more_body", False):
            return bytes(body)


async def send_json(send: Send, status: int, body: bytes, extra: dict[str, str]) -> None:
    """Answer with JSON, and with `extra` headers."""
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    if extra:
        headers += [(name.lower().encode(), value.encode()) for name, value in extra.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
