"""Ends a PostgreSQL transaction that is overdue, also when nothing answers on the other side.

libpq waits for ever for a server that is frozen or behind a network that swallows packets. So a
thread shuts the socket down once a deadline has passed, which fails the waiting call at once. The
waiting thread itself only notes its deadline: no hand-over on the hot path.
"""

import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Lock, Thread
from typing import Any

from sqlalchemy import Engine, event

log = logging.getLogger(__name__)

TICK_SECONDS = 0.05


class Watchdog:
    """Watches the one connection of an engine that is in use, from the moment it is open.

    It does nothing on SQLite, whose waits are bounded.
    """

    def __init__(self, engine: Engine) -> None:
        self._postgresql = engine.dialect.name == "postgresql"
        if self._postgresql:
            # First of all: SQLAlchemy asks a new connection this and that.
            event.listen(engine, "connect", self._adopt, insert=True)
            event.listen(engine, "checkout", self._adopt)
            event.listen(engine, "checkin", self._release)
            event.listen(engine, "invalidate", self._release)
        self._socket: socket.socket | None = None
        self._deadline: float | None = None  # of time.monotonic
        self._lock = Lock()
        self._stop = Event()
        self._thread = Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        if self._postgresql:
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._release()

    def _adopt(self, driver: Any, *_: object) -> None:
        """Watch the connection that is opened or taken from the pool."""
        self._release()
        if not driver.closed:
            # A descriptor of our own: the driver's number may be another file's tomorrow.
            self._socket = socket.socket(fileno=os.dup(driver.pgconn.socket))

    def _release(self, *_: object) -> None:
        """The connection goes back or ends."""
        with self._lock:
            watched, self._socket = self._socket, None
            if watched is not None:
                watched.close()

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """What happens inside may take that long; connecting has a limit of its own."""
        outer = self._deadline
        own = time.monotonic() + seconds
        self._deadline = own if outer is None else min(own, outer)
        try:
            yield
        finally:
            self._deadline = outer

    def hurry(self, seconds: float) -> None:
        """What is under way may take that long at most from now on."""
        deadline = self._deadline
        if deadline is not None:
            self._deadline = min(deadline, time.monotonic() + seconds)

    def _run(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self._shut_down()

    def _shut_down(self) -> None:
        with self._lock:
            if self._socket is None or self._deadline is None:
                return  # it is still connecting, or it has just ended
            self._deadline = None
            log.warning("the database took too long: its connection is shut down")
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
