"""The limits that all connections of one server share, and the look at them once a second."""

import asyncio
import resource
from typing import Any, NamedTuple

LOOK_SECONDS = 1.0
HEAD_SECONDS = 10.0  # to send the request line and all headers
LINGER_SECONDS = 3.0  # for the rest of a body that was refused, so that the refusal is read
STUCK_SECONDS = 30.0  # for a client that does not read its answer
IDLE_SECONDS = 5.0  # between an answer and the next request
MAX_CONNECTIONS = 10_000
_SPARE_FILES = 100  # for databases, bundles and logs


class Patience(NamedTuple):
    """How many seconds each state of a connection may last."""

    head: float = HEAD_SECONDS
    body: float = 10.0
    linger: float = LINGER_SECONDS
    stuck: float = STUCK_SECONDS
    idle: float = IDLE_SECONDS


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


def max_connections() -> int:
    """As many as there may be open files, up to MAX_CONNECTIONS; raises the soft limit to that."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + _SPARE_FILES
    most = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most - _SPARE_FILES
