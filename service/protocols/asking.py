"""What every adapter does with the rows it found: ask, on behalf of the request's caller."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import TypeVar

from fastapi import Request

from service.access.caller import get_caller
from service.answer.answering import SMALL_BODY, Question
from service.ledger.answers import Answer
from service.ledger.idempotency import read_key
from service.parts import Parts
from service.protocols.tables import Asked

# Headers that change what a body means.
_READ_WITH = ("content-type", "inference-header-content-length")
T = TypeVar("T")


async def read_off_loop(size: int, read: Callable[[], T]) -> T:
    """Read a body of `size` bytes: in a thread where it would hold up other requests."""
    return await asyncio.to_thread(read) if size > SMALL_BODY else read()


async def ask(request: Request, parts: Parts, asked: Asked, version: str | None = None) -> Answer:
    """A durable answer to the rows; raises as Answering.answer_rows, and InvalidKeyError."""
    header = request.headers.get("idempotency-key")
    key = read_key(None if header is None else header.encode("latin-1"))
    digest = None if key is None else await _digest(request)
    question = Question(get_caller(request), key, version)
    answer = await parts.answering.answer_rows(asked.rows, question, digest, asked.event_time)
    request.scope.update(rows=len(asked.rows), model_version=answer.model_version)  # for the log
    return answer


async def _digest(request: Request) -> str:
    """SHA-256 of all that makes two requests the same."""
    told = [request.scope["path"], *(request.headers.get(name, "") for name in _READ_WITH)]
    return hashlib.sha256("\n".join(told).encode() + b"\n" + await request.body()).hexdigest()
