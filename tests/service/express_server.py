"""A real server that counts which requests went the short way; see service/border/express.py."""

import json
from typing import Any

from sqlalchemy import Engine, func, select

from contracts.settings import Settings
from contracts.tables import predictions
from service.border.express import Express
from tests.bundles import EXAMPLE
from tests.service.servers import serving
from tests.service.sockets import request

BODY = json.dumps({"features": EXAMPLE}).encode()
PREDICT = request("POST", "/predict", BODY)


class Watched:
    """The front, and how many requests it took the short way."""

    def __init__(self, front: Any) -> None:
        self.front = front
        self.taken = 0

    def take(self, express: Express) -> bool:
        taken = self.front.take(express)
        self.taken += taken
        return taken

    def may_take(self, express: Express) -> bool:
        return self.front.may_take(express)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.front(scope, receive, send)


class Server:
    def __init__(self, settings: Settings, **given: Any) -> None:
        self._serving = serving(settings, wrap=self._watch, **given)
        self.port = 0

    def _watch(self, front: Any) -> Watched:
        self.watched = Watched(front)
        return self.watched

    def __enter__(self) -> "Server":
        self.port = self._serving.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._serving.__exit__(*error)

    @property
    def taken(self) -> int:
        return self.watched.taken


def rows(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(predictions)).scalar_one()
