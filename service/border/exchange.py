"""One request on its way to its answer: what the front and the log need to know of it."""

from collections.abc import Callable, Sequence

from starlette.types import Message, Receive, Scope, Send

from service.access.caller import NOBODY
from service.border.headers import SECURITY, Pairs

CLIENT_GONE = 499  # in the log only: there was nobody left to answer
_NOTHING: dict[str, str] = {}


class Exchange:
    """A request, and the answer once it is sent. Its `reply` is what routes get as `send`.

    `status` is 0 until an answer has begun. `scope` is what the router saw.
    """

    __slots__ = (
        "_send", "caller", "headers", "method", "receive", "request_id", "route", "rows",
        "scope", "status", "version",
    )  # fmt: skip

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        make_id: Callable[[bytes | None], bytes],
    ) -> None:
        self.scope = scope
        self.receive = receive
        self._send = send
        self.method: str = scope["method"]  # as it was sent
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.request_id = make_id(self.headers.get(b"x-request-id"))
        scope["request_id"] = self.request_id.decode()
        self.caller = NOBODY
        self.status = 0
        self.route: str | None = None
        self.rows: int | None = None
        self.version: str | None = None

    async def answer(self, status: int, body: bytes, extra: dict[str, str] = _NOTHING) -> None:
        """Answer with JSON, and with `extra` headers."""
        self.status = status
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-request-id", self.request_id),
            *SECURITY,
        ]
        if extra:
            headers += [(name.lower().encode(), value.encode()) for name, value in extra.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    async def reply(self, message: Message) -> None:
        """Send what a route answers, with the headers that every answer carries."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = self._complete(message.get("headers", ()))
        await self._send(message)

    def reply_through(self, wrap: Callable[[Send], Send]) -> None:
        """Have all that is sent pass another `send`."""
        self._send = wrap(self._send)

    def note_route(self) -> None:
        """Keep what the router, and the route itself, have left in the scope."""
        self.route = getattr(self.scope.get("route"), "path", None)
        self.rows = self.scope.get("rows")
        self.version = self.scope.get("model_version")

    def _complete(self, given: Sequence[tuple[bytes, bytes]]) -> Pairs:
        """A route's own choice stays, as the pages' Content-Security-Policy does."""
        names = {name.lower() for name, _ in given}
        added = [pair for pair in SECURITY if pair[0] not in names]
        return [*given, *added, (b"x-request-id", self.request_id)]
