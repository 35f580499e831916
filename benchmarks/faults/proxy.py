"""A TCP proxy before PostgreSQL that refuses, swallows, delays, or cuts an answered commit off."""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

Mode = Literal["pass", "refuse", "swallow"]
# The server's answer to what has changed something: the tag of the command. A transaction's own
# statements are told apart by the state that ends the answer: I = nothing is open any more.
_TAG = re.compile(rb"(?:COMMIT|INSERT 0 \d+|COPY \d+|UPDATE \d+|DELETE \d+)\0")
_IDLE = b"Z\0\0\0\x05I"
_CHUNK = 1 << 20


@dataclass
class Proxy:
    """Set its fields to change what happens; connections that are open feel it too.

    Attributes:
        delay: seconds between a commit and its answer.
        cuts: how many answers to commits will still be swallowed, their connections reset.
        every: of so many answers to commits one is cut off, while cuts are left.
    """

    target: int
    port: int = 0
    mode: Mode = "pass"
    delay: float = 0.0
    cuts: int = 0
    every: int = 1
    commits: int = 0
    connections: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def reset_all(self) -> None:
        """Break every open connection, as a server that dies does."""
        for writer in list(self._open):
            _reset(writer)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.mode == "refuse":
            _reset(writer)
            return
        try:
            there, onward = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            _reset(writer)
            return
        ends = {writer, onward}
        self._open |= ends
        self.connections += 1
        try:
            await asyncio.gather(self._ask(reader, onward), self._answer(there, writer))
        except OSError:
            pass
        finally:
            self._open -= ends
            self.connections -= 1
            for end in ends:
                end.close()

    async def _ask(self, reader: asyncio.StreamReader, onward: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(_CHUNK):
            await self._while_swallowed()
            onward.write(chunk)
            await onward.drain()
        onward.close()

    async def _answer(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await there.read(_CHUNK):
            if chunk.endswith(_IDLE) and _TAG.search(chunk):
                self.commits += 1
                if self.cuts > 0 and self.commits % self.every == 0:
                    self.cuts -= 1
                    _reset(writer)
                    return
                await asyncio.sleep(self.delay)
            await self._while_swallowed()
            writer.write(chunk)
            await writer.drain()
        writer.close()

    async def _while_swallowed(self) -> None:
        while self.mode == "swallow":
            await asyncio.sleep(0.02)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST: the other side learns at once, and nothing unsent follows."""
    raw = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def proxy_to(port: int, listen: int) -> AsyncIterator[Proxy]:
    """A proxy on the port `listen`, in front of `port`, while the block runs."""
    proxy = Proxy(port, listen)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", listen)
    try:
        yield proxy
    finally:
        server.close()
        proxy.mode = "pass"
        proxy.reset_all()
        while proxy.connections:  # each ends by itself once both of its sides are closed
            await asyncio.sleep(0.01)
