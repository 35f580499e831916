"""Clients that keep their connections, through Caddy by HTTPS; what failed is written down."""

import http.client
import json
import ssl
import time
from collections.abc import Sequence
from itertools import cycle
from threading import Thread
from typing import Any


class Traffic:
    """Threads that predict until they are stopped, and never ask anything twice.

    Attributes:
        ids: of every answered prediction.
        failed: every other answer, and every error.
        seconds: of every answer.
    """

    def __init__(
        self,
        port: int,
        root: str,
        key: str,
        rows: Sequence[Any],
        threads: int = 4,
        pause: float = 0.02,
    ) -> None:
        self.ids: list[str] = []
        self.failed: list[str] = []
        self.seconds: list[float] = []
        self.connections = 0
        self._context = ssl.create_default_context(cadata=root)
        self._port, self._key, self._pause = port, key, pause
        self._bodies = cycle([json.dumps({"features": row}) for row in rows])
        self._going = True
        self._threads = [Thread(target=self._run) for _ in range(threads)]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._going = False
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        connection = None
        while self._going:
            if connection is None:
                self.connections += 1
                connection = http.client.HTTPSConnection(
                    "localhost", self._port, timeout=30, context=self._context
                )
            began = time.monotonic()
            try:
                self._ask(connection)
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(f"{time.strftime('%H:%M:%S')} {error!r}")
                connection.close()
                connection = None
            self.seconds.append(time.monotonic() - began)
            time.sleep(self._pause)
        if connection is not None:
            connection.close()

    def _ask(self, connection: http.client.HTTPSConnection) -> None:
        headers = {"X-API-Key": self._key, "Content-Type": "application/json"}
        connection.request("POST", "/predict", next(self._bodies), headers)
        response = connection.getresponse()
        content = response.read()
        if response.status == 200:
            self.ids += json.loads(content)["prediction_id"]
        else:
            self.failed.append(f"{time.strftime('%H:%M:%S')} {response.status} {content[:200]!r}")
