"""A client that asks over and over on keep-alive connections and writes all into its journal."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from benchmarks.faults.journal import Journal
from benchmarks.faults.requests import Request, make_request

RECONNECT_SECONDS = 0.01
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Progress:
    """What the load has seen so far; times are monotonic seconds."""

    open: list[Request] = field(default_factory=list)  # with a key, never answered
    keyed: list[Request] = field(default_factory=list)  # with a key, answered 200
    answers: int = 0
    failures: int = 0  # sent, and the connection ended without an answer
    asked: float = 0.0  # the last request that got a 200: when it was asked
    answered: float = 0.0  # ... and when it was answered
    last_version: str = ""


@dataclass
class Client:
    """Where to ask, and how.

    Args:
        patience: seconds to wait for an answer before it counts as unknown.
        pause: seconds between an answer and the next request of the same connection.
        api_key: of the service.
    """

    port: int
    api_key: str
    journal: Journal
    numbers: Iterator[int]
    patience: float = 30.0
    pause: float = 0.0
    progress: Progress = field(default_factory=Progress)

    @contextlib.asynccontextmanager
    async def load(self, connections: int) -> AsyncIterator[Progress]:
        """Ask on many connections while the block runs; every request is ended at its end."""
        going = asyncio.Event()
        going.set()
        flusher = asyncio.create_task(self.journal.keep_flushing())
        workers = [asyncio.create_task(self._work(going)) for _ in range(connections)]
        try:
            yield self.progress
        finally:
            going.clear()
            await asyncio.gather(*workers)
            flusher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await flusher

    async def repeat(self, requests: list[Request]) -> None:
        """Ask again what has a key, one after the other, until each is answered."""
        streams = None
        for request in requests:
            status = 0
            while status in (0, 409, 503):
                streams = streams or await self._connect()
                status, streams = await self._ask(request, streams)
                if status in (409, 503):
                    await asyncio.sleep(0.1)
        await _close(streams)

    async def _work(self, going: asyncio.Event) -> None:
        streams = None
        while going.is_set():
            try:
                streams = streams or await self._connect()
            except OSError:
                await asyncio.sleep(RECONNECT_SECONDS)
                continue
            _, streams = await self._ask(make_request(next(self.numbers)), streams)
            if self.pause:
                await asyncio.sleep(self.pause)
        await _close(streams)

    async def _connect(self) -> Streams:
        async with asyncio.timeout(self.patience):
            return await asyncio.open_connection("127.0.0.1", self.port)

    async def _ask(self, request: Request, streams: Streams) -> tuple[int, Streams | None]:
        """Ask once; the status, 0 for unknown, and the connection if it is still of use."""
        asked = time.monotonic()
        self.journal.ask(request, asked)
        status, body, close = 0, b"", True
        try:
            async with asyncio.timeout(self.patience):
                status, body, close = await _exchange(streams, self._bytes_of(request))
        except (OSError, EOFError, TimeoutError):
            self.progress.failures += 1
        self.journal.answer(request, time.monotonic(), status, body)
        self._note(request, asked, status, body)
        if close:
            await _close(streams)
            return status, None
        return status, streams

    def _note(self, request: Request, asked: float, status: int, body: bytes) -> None:
        progress = self.progress
        if status == 200:
            progress.answers += 1
            progress.asked, progress.answered = asked, time.monotonic()
            progress.last_version = body.rpartition(b'"model_version":"')[2][:-2].decode()
        if request.key is not None:
            (progress.open if status == 0 else progress.keyed).append(request)

    def _bytes_of(self, request: Request) -> bytes:
        key = f"Idempotency-Key: {request.key}\r\n" if request.key else ""
        head = (
            f"POST /predict HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"X-API-Key: {self.api_key}\r\n{key}"
            f"Content-Type: application/json\r\nContent-Length: {len(request.body)}\r\n\r\n"
        )
        return head.encode() + request.body


async def _exchange(streams: Streams, asked: bytes) -> tuple[int, bytes, bool]:
    """Status, body, and whether the connection is at its end."""
    reader, writer = streams
    writer.write(asked)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    return int(head.split(b" ", 2)[1]), body, b"connection: close" in head


async def _close(streams: Streams | None) -> None:
    if streams is not None:
        streams[1].close()
        with contextlib.suppress(OSError):
            await streams[1].wait_closed()
