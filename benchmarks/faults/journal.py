"""The client's own ledger: one fsynced file of JSON lines, written beside what it asks."""

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from benchmarks.faults.requests import Request

FLUSH_SECONDS = 0.02


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event of a request.

    `status` None = asked; 0 = no answer came, whatever happened to the request.
    """

    number: int
    at: float  # seconds, monotonic
    digest: str | None = None  # of the body, when it was asked
    key: str | None = None
    status: int | None = None
    body: str | None = None  # of the answer


class Journal:
    """Append-only; `keep_flushing` makes durable what was appended."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._lines: list[Line] = []
        self._encoder = msgspec.json.Encoder()

    def ask(self, request: Request, at: float) -> None:
        self._lines.append(Line(request.number, at, request.digest, request.key))

    def answer(self, request: Request, at: float, status: int, body: bytes = b"") -> None:
        line = Line(request.number, at, None, request.key, status, body.decode() or None)
        self._lines.append(line)

    async def keep_flushing(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await asyncio.to_thread(self.flush)

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            os.write(self._file, self._encoder.encode_lines(lines))
            os.fdatasync(self._file)

    def close(self) -> None:
        self.flush()
        os.close(self._file)


def read_journal(path: Path) -> Iterable[Line]:
    """Every line, in order."""
    decoder = msgspec.json.Decoder(Line)
    lines: list[Line] = decoder.decode_lines(path.read_bytes())
    return lines
