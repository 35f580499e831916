"""What every request passes: access, limits, counting, the log; docs/adr/0005 and 0017.

POST /predict is answered here, in front of FastAPI: its routing would cost half of the throughput.
A route may leave `rows` and `model_version` in its scope for the log.
"""

import logging
import time
from collections.abc import Callable
from functools import partial

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from contracts.settings import Settings
from service.access.access import Access
from service.access.caller import NOBODY
from service.access.origins import Origins
from service.answer.answering import Answering, Question
from service.border.bodies import (
    ClientGoneError,
    body_limit,
    check_containers,
    check_kind,
    check_length,
    read_body,
    replay,
)
from service.border.errors import KNOWN, MethodNotAllowedError, answer_error
from service.border.exchange import CLIENT_GONE, Exchange
from service.border.express import MAX_BYTES, PATH, UNUSUAL, Express
from service.border.journal import Journal
from service.border.log_lines import request_lines
from service.ledger.answers import Answer
from service.ledger.idempotency import read_key
from service.observe.metrics import Metrics

log = logging.getLogger(__name__)

# Others, which clients may make up, are "other" in metrics: their labels must be few.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_JSON = b"application/json"
_INTERNAL = b'{"detail":"internal error; the log has it"}'


class Front:
    """Admits every request; answers /predict itself, passes the rest on to `app`.

    Args:
        make_id: gives a request its id, see headers.request_ids.
        journal: takes one line a request; None = no such log.
    """

    def __init__(
        self,
        app: ASGIApp,
        answering: Answering,
        access: Access,
        metrics: Metrics,
        settings: Settings,
        make_id: Callable[[bytes | None], bytes],
        journal: Journal | None = None,
    ) -> None:
        self._app = app
        self._answering = answering
        self._access = access
        self._metrics = metrics
        self._count = metrics.requests.count
        self._max_body_bytes = settings.max_body_bytes
        self._max_rows = settings.max_rows
        self._express_bytes = min(MAX_BYTES, settings.max_body_bytes)
        self._origins = Origins(settings)
        self._make_id = make_id
        self._journal = journal
        self._line = request_lines()
        self._encode = msgspec.json.Encoder().encode

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        exchange = Exchange(scope, receive, send, self._make_id)
        try:
            await self._answer(exchange)
        except ClientGoneError:
            exchange.status = CLIENT_GONE
        except KNOWN as error:
            await self._refuse(exchange, error)
        except Exception:  # the border: a fault of ours is told as 500, not a torn connection
            log.exception("request %s failed", scope["request_id"])
            self._metrics.errors.labels("internal").inc()
            await self._tell(exchange, 500, _INTERNAL, {})
        self._note(exchange, time.perf_counter() - started)

    def may_take(self, express: Express) -> bool:
        """Whether a POST /predict, by its head, is a usual one: worth to wait for its body.

        Whatever would be refused by its head is not, so that it is refused at once.
        """
        headers = express.headers
        length = headers.get(b"content-length", b"0")
        if not UNUSUAL.isdisjoint(headers) or headers.get(b"content-type", _JSON) != _JSON:
            return False
        if not length.isdigit() or int(length[:20]) > self._express_bytes:
            return False
        caller = self._access.admit_known(express.scope, headers)
        express.caller = caller or NOBODY
        return caller is not None

    def take(self, express: Express) -> bool:
        """Answer what has come as a whole; False = nothing was done, __call__ knows what to do."""
        started, body = time.perf_counter(), express.body
        try:
            check_containers(body, express.headers, self._max_rows)
            done = partial(self._finish, express, started)
            return self._answering.answer_usual(body, express.caller, done)
        except Exception:  # the usual way meets it again, and tells of it
            return False

    def _finish(self, express: Express, started: float, answer: Answer | Exception) -> None:
        express.request_id = self._make_id(express.headers.get(b"x-request-id"))
        if isinstance(answer, Answer):
            express.rows = len(answer.prediction_id)
            express.version = answer.model_version
            express.answer(200, self._encode(answer))
        elif isinstance(answer, KNOWN):
            status, kind, extra, body = answer_error(answer, PATH)
            self._metrics.errors.labels(kind).inc()
            express.answer(status, body, extra)
        else:
            self._metrics.errors.labels("internal").inc()
            log.error("request %s failed", express.request_id.decode(), exc_info=answer)
            express.answer(500, _INTERNAL)
        self._note(express, time.perf_counter() - started)

    async def _answer(self, exchange: Exchange) -> None:
        scope, headers = exchange.scope, exchange.headers
        if b"origin" in headers:
            answer = self._origins.preflight(scope, headers)
            if answer is not None:
                await answer(scope, exchange.receive, exchange.reply)
                return
            exchange.reply_through(self._origins.telling(scope))
        access = self._access
        caller = access.admit(scope, headers) or await access.admit_unknown(scope, headers)
        exchange.caller = caller
        if b"origin" in headers:
            self._origins.check(scope, headers)
        if scope["path"] == PATH:
            await self._predict(exchange)
        else:
            await self._pass_on(exchange)

    async def _predict(self, exchange: Exchange) -> None:
        exchange.route = PATH
        if exchange.scope["method"] != "POST":
            raise MethodNotAllowedError("POST")
        key = read_key(exchange.headers.get(b"idempotency-key"))
        body = await self._read(exchange)
        answer = await self._answering.answer(body, Question(exchange.caller, key))
        exchange.rows = len(answer.prediction_id)
        exchange.version = answer.model_version
        await exchange.answer(200, self._encode(answer))

    async def _pass_on(self, exchange: Exchange) -> None:
        """Hand the request to the app."""
        exchange.scope["caller"] = exchange.caller
        receive, method = exchange.receive, exchange.scope["method"]
        if method == "HEAD":  # answered as GET; the server knows better and leaves out the body
            exchange.scope = {**exchange.scope, "method": "GET"}
        elif method != "GET":
            receive = replay(await self._read(exchange), receive)
        try:
            await self._app(exchange.scope, receive, exchange.reply)
        finally:
            exchange.note_route()

    async def _read(self, exchange: Exchange) -> bytes:
        scope, headers = exchange.scope, exchange.headers
        check_kind(scope["path"], headers)
        limit = body_limit(scope["path"], self._max_body_bytes)
        check_length(headers, limit)
        body = await read_body(scope, exchange.receive, limit)
        check_containers(body, headers, self._max_rows)
        return body

    async def _refuse(self, exchange: Exchange, error: Exception) -> None:
        status, kind, extra, body = answer_error(error, exchange.scope["path"])
        self._metrics.errors.labels(kind).inc()
        await self._tell(exchange, status, body, extra)

    async def _tell(
        self, exchange: Exchange, status: int, body: bytes, extra: dict[str, str]
    ) -> None:
        if not exchange.status:  # else half of another answer is on its way
            await exchange.answer(status, body, extra)

    def _note(self, exchange: Exchange | Express, seconds: float) -> None:
        """Count the request, and write it down."""
        status, route = exchange.status, exchange.route
        method = exchange.method if exchange.method in METHODS else "other"
        if status != CLIENT_GONE:
            counted = method if route else "other"
            self._count(route or "other", counted, status, seconds, exchange.version)
        if self._journal is not None:
            self._journal.write(self._line(exchange, method, seconds))
