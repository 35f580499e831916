"""POST /predict, answered in front of FastAPI: its routing would cost half of the throughput."""

import asyncio
import logging
import time

import msgspec
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.champion import ChampionWatcher
from service.errors import KNOWN, TooLargeError, answer_error
from service.ledger import Ledger
from service.metrics import Metrics

log = logging.getLogger(__name__)

PATH = "/predict"
# Decoding more than this would hold up every other request, so it goes to a thread.
SMALL_BODY = 50_000
NO_HEADERS: dict[str, str] = {}


class ClientGoneError(ConnectionError):
    """The client hung up before its request was complete."""


class PredictFront:
    """Answers /predict itself; passes everything else on to `app` and counts it."""

    def __init__(
        self,
        app: ASGIApp,
        watcher: ChampionWatcher,
        ledger: Ledger,
        metrics: Metrics,
        max_body_bytes: int,
    ) -> None:
        self._app = app
        self._watcher = watcher
        self._ledger = ledger
        self._metrics = metrics
        self._count = metrics.requests.count
        self._max_body_bytes = max_body_bytes
        self._encode = msgspec.json.Encoder().encode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] != PATH:
            await self._pass_on(scope, receive, send)
        elif scope["method"] == "POST":
            await self._predict(scope, receive, send)
        else:
            self._count(PATH, "other", 405, 0.0)
            await _send(send, 405, b'{"detail":"Method Not Allowed"}', {"Allow": "POST"})

    async def _predict(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        status, extra = 200, NO_HEADERS
        try:
            serving = self._watcher.require()
            body = await read_body(scope, receive, self._max_body_bytes)
            if len(body) <= SMALL_BODY:
                decoded = serving.decoder.decode(body)
            else:
                decoded = await asyncio.to_thread(serving.decoder.decode, body)
            answer = self._encode(await self._ledger.predict(serving.predictor, decoded))
        except ClientGoneError:
            return
        except KNOWN as error:
            status, kind, extra, answer = answer_error(error)
            self._metrics.errors.labels(kind).inc()
        except Exception:  # the border: a fault of ours is told as 500, not a torn connection
            log.exception("a prediction failed")
            self._metrics.errors.labels("internal").inc()
            status, answer = 500, b'{"detail":"internal error; the log has it"}'
        await _send(send, status, answer, extra)
        self._count(PATH, "POST", status, time.perf_counter() - started)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, await self._limited(scope, receive), watch)
        except TooLargeError as error:
            status, kind, extra, answer = answer_error(error)
            self._metrics.errors.labels(kind).inc()
            await _send(send, status, answer, extra)
        except ClientGoneError:
            return
        finally:
            route = getattr(scope.get("route"), "path", None)
            method = scope["method"] if route else "other"
            seconds = time.perf_counter() - started
            self._count(route or "other", method, status, seconds)

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


async def _send(send: Send, status: int, body: bytes, extra: dict[str, str]) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    if extra:
        headers += [(name.lower().encode(), value.encode()) for name, value in extra.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
