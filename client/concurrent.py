"""The client for asyncio: many calls at once over a few connections."""

import asyncio
import time
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import count
from random import Random
from types import TracebackType
from typing import Self

import aiohttp

from client.address import find_service
from client.errors import NoAnswerError
from client.messages import (
    OUTCOME_BATCH,
    Call,
    Outcome,
    Prediction,
    Recorded,
    Reply,
    Row,
    Wanted,
    outcomes_call,
    predict_call,
    problem_of,
    read_predictions,
    read_recorded,
    read_wanted,
    wanted_call,
)
from client.retries import RETRIED, Policy, pause


class AsyncClient:
    """As blocking.Client, for `async with` inside a running event loop.

    Args:
        connections: at most; further calls wait for one, within their deadline.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        policy: Policy | None = None,
        connections: int = 100,
        random: Random | None = None,
    ) -> None:
        self._url, headers = find_service(url, api_key)
        self._policy = policy or Policy()
        self._random = random or Random()  # noqa: S311  # jitter is no secret
        connector = aiohttp.TCPConnector(limit=connections)
        self._session = aiohttp.ClientSession(connector=connector, headers=headers)

    async def predict(
        self,
        rows: Sequence[Row],
        event_time: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> list[Prediction]:
        """As Client.predict."""
        key = idempotency_key or str(uuid.uuid4())
        return read_predictions(await self._send(predict_call(rows, event_time, key)))

    async def predict_one(self, row: Row, event_time: datetime | None = None) -> Prediction:
        """As Client.predict_one."""
        (prediction,) = await self.predict([row], event_time)
        return prediction

    async def send_outcomes(self, outcomes: Iterable[Outcome]) -> list[Recorded]:
        """As Client.send_outcomes."""
        given = list(outcomes)
        found: list[Recorded] = []
        for start in range(0, len(given), OUTCOME_BATCH):
            call = outcomes_call(given[start : start + OUTCOME_BATCH], str(uuid.uuid4()))
            found += read_recorded(await self._send(call))
        return found

    async def wanted_outcomes(
        self, limit: int = 100, older_than_hours: float = 24, newer_than_days: float = 28
    ) -> list[Wanted]:
        """As Client.wanted_outcomes."""
        return read_wanted(await self._send(wanted_call(limit, older_than_hours, newer_than_days)))

    async def _send(self, call: Call) -> Reply:
        end = time.monotonic() + self._policy.deadline
        for attempt in count():
            reply, problem = await self._attempt(call, end - time.monotonic())
            if reply is not None and reply.status not in RETRIED:
                return reply
            seconds = pause(self._policy, attempt, reply, self._random)
            if time.monotonic() + seconds >= end:
                break
            await asyncio.sleep(seconds)
        key = call.headers.get("Idempotency-Key", "")
        raise NoAnswerError(self._policy.deadline, problem, key)

    async def _attempt(self, call: Call, left: float) -> tuple[Reply | None, str]:
        timeout = aiohttp.ClientTimeout(total=max(min(left, self._policy.attempt), 0.001))
        try:
            async with self._session.request(
                call.method,
                self._url + call.path,
                data=call.body or None,
                headers=call.headers,
                timeout=timeout,
            ) as got:
                reply = Reply(got.status, await got.read(), got.headers.get("Retry-After"))
        except (aiohttp.ClientError, TimeoutError) as error:
            return None, repr(error)
        return reply, f"{reply.status} {problem_of(reply)}" if reply.status in RETRIED else ""

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
