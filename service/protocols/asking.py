"""What every adapter does with the rows it found: ask, on behalf of the request's caller."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from fastapi import Request

from service.answering import SMALL_BODY, Question
from service.caller import get_caller
from service.ledger import Answer
from service.parts import Parts
from service.protocols.tables import Asked

T = TypeVar("T")


async def read_off_loop(size: int, read: Callable[[], T]) -> T:
    """Read a body of `size` bytes: in a thread where it would hold up other requests."""
    return await asyncio.to_thread(read) if size > SMALL_BODY else read()


async def ask(request: Request, parts: Parts, asked: Asked, version: str | None = None) -> Answer:
    """A durable answer to the rows; raises as Answering.answer_rows."""
    key = request.headers.get("idempotency-key")
    question = Question(get_caller(request), key, version)
    return await parts.answering.answer_rows(asked.rows, question, asked.event_time)
